//! Walking the volume: every data file and attr file, folder by folder, in bounded memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc::Sender;

use super::disk::Disk;
use super::reading::data_stat;
use crate::model::{ATTR_LIMIT_BYTES, ATTR_SUFFIX, StoragePath};
use crate::storage::{Found, StorageError, StorageResult};

/// Files in one batch.
const BATCH: usize = 512;
/// Folders looked at by several threads at once; each waits mostly for the disk.
const THREADS: usize = 4;

/// What one name stands for.
#[derive(Default)]
struct Halves {
    attr: bool,
    data: bool,
}

/// Sends every file below the root. Returns early when nobody listens any more.
pub(super) fn scan(disk: &Arc<Disk>, found: &Sender<Vec<Found>>) -> StorageResult<()> {
    let mut folders = Vec::new();
    collect_folders(disk, "", &mut folders)?;
    let next = AtomicUsize::new(0);
    let (disk, folders, next) = (disk.as_ref(), folders.as_slice(), &next);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS.min(folders.len()))
            .map(|_| {
                scope.spawn(move || {
                    while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if !scan_folder(disk, folder, found)? {
                            return Ok(());
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| {
                Err(StorageError::Io {
                    action: "scan",
                    path: ".".to_owned(),
                    source: std::io::Error::other("a scanning thread ended abnormally"),
                })
            })
        })
    })
}

/// Whether any data or attr file is there.
pub(super) fn holds_files(disk: &Disk) -> StorageResult<bool> {
    let mut folders = Vec::new();
    collect_folders(disk, "", &mut folders)?;
    for folder in &folders {
        if !halves(disk, folder)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Folders below the root in the order of time, the element's own (they begin with a dot) left out. Links are not
/// followed: they could lead anywhere.
fn collect_folders(disk: &Disk, folder: &str, all: &mut Vec<String>) -> StorageResult<()> {
    let at = disk.layout.root().join(folder);
    let entries = match fs::read_dir(&at) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(disk.error("list", &at, error)),
    };
    let mut below = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| disk.error("list", &at, source))?;
        let kind = entry.file_type().map_err(|source| disk.error("look at", &entry.path(), source))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // `lost+found` belongs to the file system and is for root alone.
        if kind.is_dir() && !name.starts_with('.') && name != "lost+found" {
            below.push(if folder.is_empty() { name } else { format!("{folder}/{name}") });
        }
    }
    below.sort_unstable();
    for name in below {
        collect_folders(disk, &name, all)?;
        all.push(name);
    }
    Ok(())
}

fn halves(disk: &Disk, folder: &str) -> StorageResult<BTreeMap<String, Halves>> {
    let at = disk.layout.root().join(folder);
    let mut halves: BTreeMap<String, Halves> = BTreeMap::new();
    let entries = match fs::read_dir(&at) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(halves),
        Err(error) => return Err(disk.error("list", &at, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|source| disk.error("list", &at, source))?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_file || name.starts_with('.') {
            continue;
        }
        match name.strip_suffix(ATTR_SUFFIX) {
            Some(data) => halves.entry(data.to_owned()).or_default().attr = true,
            None => halves.entry(name).or_default().data = true,
        }
    }
    Ok(halves)
}

/// False when nobody listens any more.
fn scan_folder(disk: &Disk, folder: &str, found: &Sender<Vec<Found>>) -> StorageResult<bool> {
    let mut batch = Vec::new();
    for (name, half) in halves(disk, folder)? {
        let Some(path) = StoragePath::new(format!("{folder}/{name}")) else { continue };
        let data = if half.data { data_stat(disk, &path)? } else { None };
        let attr = half.attr.then(|| read_attr(&disk.layout.attr(&path)));
        batch.push(Found { path, attr, data });
        if batch.len() >= BATCH && found.blocking_send(std::mem::take(&mut batch)).is_err() {
            return Ok(false);
        }
    }
    Ok(batch.is_empty() || found.blocking_send(batch).is_ok())
}

fn read_attr(path: &Path) -> Result<Bytes, String> {
    let mut bytes = Vec::with_capacity(ATTR_LIMIT_BYTES);
    let limit = 16 * ATTR_LIMIT_BYTES as u64;
    fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(bytes.into())
}
