//! What lies on a node's volume, seen without the node: an independent witness of its layout.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const ATTR_SUFFIX: &str = ".attr.json";

/// The element's own file.
///
/// # Errors
/// When it is not there or no JSON.
pub fn element_file(volume: &Path) -> Result<Value> {
    let path = volume.join(".element/element.json");
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
}

/// Checks that the staging folder holds at most one term's folder, and that one empty, and that the trash is empty.
///
/// # Errors
/// When something was left behind; the message names it.
pub fn nothing_is_staged(volume: &Path) -> Result<()> {
    for staging in [".staging", ".element/staging"] {
        let terms = entries(&volume.join(staging))?;
        ensure!(terms.len() <= 1, "{staging} has the folders of more than one term: {terms:?}");
        for term in terms {
            let left = entries(&term)?;
            ensure!(left.is_empty(), "left behind in {}: {left:?}", term.display());
        }
    }
    let trash = files_below(&volume.join(".trash"))?;
    ensure!(trash.is_empty(), "left behind in the trash: {trash:?}");
    Ok(())
}

/// Checks that every data file has its attr file and every attr file its data of the right size, and returns how many
/// pairs there are. Only a deleted file may have lost its data: its attr goes last.
///
/// # Errors
/// When a half is missing or sizes differ.
pub fn data_and_attrs_are_pairs(volume: &Path) -> Result<usize> {
    let mut pairs = 0;
    for folder in entries(volume)?.iter().filter(|path| path.is_dir() && !is_hidden(path)) {
        for path in files_below(folder)? {
            let name = path.to_string_lossy();
            if let Some(data) = name.strip_suffix(ATTR_SUFFIX) {
                attr_describes(&path, Path::new(data))?;
                pairs += 1;
            } else {
                let attr = PathBuf::from(format!("{name}{ATTR_SUFFIX}"));
                ensure!(attr.is_file(), "data that no attr file describes: {name}");
            }
        }
    }
    Ok(pairs)
}

fn attr_describes(attr: &Path, data: &Path) -> Result<()> {
    let read: Value = serde_json::from_slice(&fs::read(attr)?).with_context(|| attr.display().to_string())?;
    if read["status"] == "deleted" && !data.exists() {
        return Ok(());
    }
    let size = fs::metadata(data).with_context(|| format!("{} describes no data", attr.display()))?.len();
    ensure!(read["file_size"] == size, "{} has {size} bytes, its attr says {}", data.display(), read["file_size"]);
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.') || name == "lost+found")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| folder.display().to_string()),
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}
