//! What lies in a node's storage, seen without the node: an independent witness of its layout, and a hand that can
//! change it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use serde_json::Value;

use crate::Bucket;

/// What the name of a description ends with.
pub const ATTR_SUFFIX: &str = ".attr.json";

/// A storage: paths below its root are `/`-separated and alike on both makes.
#[derive(Clone)]
pub enum Storage {
    /// The root of a volume.
    Folder(PathBuf),
    /// A prefix of a bucket.
    Bucket(Arc<Bucket>),
}

impl Storage {
    /// Path and size of everything, hidden or not.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub async fn names(&self) -> Result<BTreeMap<String, u64>> {
        let mut names: BTreeMap<String, u64> = match self {
            Self::Folder(root) => {
                let mut names = BTreeMap::new();
                walk(root, "", &mut names)?;
                names
            }
            Self::Bucket(bucket) => {
                bucket.objects().await?.into_iter().map(|object| (object.path, object.size)).collect()
            }
        };
        names.retain(|name, _| !name.starts_with("lost+found"));
        Ok(names)
    }

    /// The bytes at a path; `None` when nothing is there.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(&self, path: &str) -> Result<Option<Bytes>> {
        match self {
            Self::Folder(root) => match fs::read(root.join(path)) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error).with_context(|| path.to_owned()),
            },
            Self::Bucket(bucket) => bucket.get(path).await,
        }
    }

    /// Writes bytes to a path, whatever is there.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn write(&self, path: &str, bytes: impl Into<Bytes>) -> Result<()> {
        match self {
            Self::Folder(root) => {
                let path = root.join(path);
                fs::create_dir_all(path.parent().context("a file has a folder")?)?;
                fs::write(&path, bytes.into()).with_context(|| path.display().to_string())
            }
            Self::Bucket(bucket) => bucket.put(path, bytes.into()).await,
        }
    }

    /// Removes what is at a path.
    ///
    /// # Errors
    /// When it is not there, or cannot be removed.
    pub async fn remove(&self, path: &str) -> Result<()> {
        match self {
            Self::Folder(root) => fs::remove_file(root.join(path)).with_context(|| path.to_owned()),
            Self::Bucket(bucket) => bucket.remove(path).await,
        }
    }

    /// Moves all of it to `to`, a storage of the same make with nothing in it. What is left is empty.
    ///
    /// # Errors
    /// When the makes differ, or something cannot be moved.
    pub async fn move_to(&self, to: &Self) -> Result<()> {
        match (self, to) {
            (Self::Folder(from), Self::Folder(to)) => {
                fs::rename(from, to)?;
                Ok(fs::create_dir(from)?)
            }
            (Self::Bucket(_), Self::Bucket(_)) => {
                for name in self.names().await?.into_keys() {
                    let bytes = self.read(&name).await?.with_context(|| format!("{name} has gone"))?;
                    to.write(&name, bytes).await?;
                    self.remove(&name).await?;
                }
                Ok(())
            }
            _ => bail!("a folder is not moved into a bucket, nor the other way"),
        }
    }

    /// An empty storage of the same make, in `folder` or in a bucket of its own.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn another(&self, folder: &Path, name: &str) -> Result<Self> {
        Ok(match self {
            Self::Folder(_) => Self::Folder(folder.join(name)),
            Self::Bucket(_) => Self::Bucket(Arc::new(Bucket::new()?)),
        })
    }

    /// Where it is, as a node names it.
    pub fn place(&self) -> String {
        match self {
            Self::Folder(root) => root.display().to_string(),
            Self::Bucket(bucket) => format!("s3://{}/{}", bucket.name(), bucket.prefix()),
        }
    }

    /// Whether data and description of a file are there. A tombstone is no description.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn halves(&self, path: &str) -> Result<(bool, bool)> {
        let data = self.names().await?.contains_key(path);
        let attr = self.read(&format!("{path}{ATTR_SUFFIX}")).await?;
        Ok((data, attr.is_some_and(|bytes| !is_tombstone(&bytes))))
    }

    /// The element's own file.
    ///
    /// # Errors
    /// When it is not there or no JSON.
    pub async fn element_file(&self) -> Result<Value> {
        self.json(".element/element.json").await
    }

    /// The description of a file, by the metadata that the API gives.
    ///
    /// # Errors
    /// When it is not there or no JSON.
    pub async fn attr_of(&self, metadata: &Value) -> Result<Value> {
        let path = metadata["storage_path"].as_str().with_context(|| format!("no storage_path: {metadata}"))?;
        self.json(&format!("{path}{ATTR_SUFFIX}")).await
    }

    /// A JSON file.
    ///
    /// # Errors
    /// When it is not there or no JSON.
    pub async fn json(&self, path: &str) -> Result<Value> {
        let bytes = self.read(path).await?.with_context(|| format!("{path} is not there"))?;
        serde_json::from_slice(&bytes).with_context(|| path.to_owned())
    }

    /// Checks that nothing is on its way any more. On a volume the staging folder holds at most one term's folder, and
    /// that one empty, and the trash is empty; in a bucket no multipart upload is left that was begun and not ended.
    ///
    /// # Errors
    /// When something was left behind; the message names it.
    pub async fn nothing_is_staged(&self) -> Result<()> {
        match self {
            Self::Folder(root) => nothing_is_staged(root),
            Self::Bucket(bucket) => {
                let unfinished = bucket.unfinished().await?;
                ensure!(unfinished.is_empty(), "unfinished multipart uploads: {unfinished:?}");
                Ok(())
            }
        }
    }

    /// Checks that every data file has its description and every description its data of the right size, and returns
    /// how many pairs there are. Only a deleted file may have lost its data: its description goes last. Tombstones
    /// describe nothing, and stand only in a bucket.
    ///
    /// # Errors
    /// When a half is missing or sizes differ.
    pub async fn data_and_attrs_are_pairs(&self) -> Result<usize> {
        let names = self.names().await?;
        let mut pairs = 0;
        let mut described = std::collections::BTreeSet::new();
        for attr in names.keys().filter(|name| !is_hidden(name) && name.ends_with(ATTR_SUFFIX)) {
            let data = attr.strip_suffix(ATTR_SUFFIX).unwrap_or_default();
            let bytes = self.read(attr).await?.with_context(|| format!("{attr} has gone"))?;
            if is_tombstone(&bytes) {
                ensure!(matches!(self, Self::Bucket(_)), "a tombstone on a volume: {attr}");
                continue;
            }
            let read: Value = serde_json::from_slice(&bytes).with_context(|| attr.clone())?;
            match names.get(data) {
                Some(size) => {
                    ensure!(read["file_size"] == *size, "{data} has {size} bytes, {attr} says {}", read["file_size"]);
                    described.insert(data);
                }
                None if read["status"] == "deleted" => {}
                None => bail!("{attr} describes no data"),
            }
            pairs += 1;
        }
        for data in names.keys().filter(|name| !is_hidden(name) && !name.ends_with(ATTR_SUFFIX)) {
            ensure!(described.contains(data.as_str()), "data that nothing describes: {data}");
        }
        Ok(pairs)
    }
}

/// Whether this is a tombstone and no description.
pub fn is_tombstone(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|value| value["tombstone"] == true)
}

fn is_hidden(path: &str) -> bool {
    path.starts_with('.')
}

fn nothing_is_staged(root: &Path) -> Result<()> {
    for staging in [".staging", ".element/staging"] {
        let terms = entries(&root.join(staging))?;
        ensure!(terms.len() <= 1, "{staging} has the folders of more than one term: {terms:?}");
        for term in terms {
            let left = entries(&term)?;
            ensure!(left.is_empty(), "left behind in {}: {left:?}", term.display());
        }
    }
    let mut trash = BTreeMap::new();
    walk(&root.join(".trash"), "", &mut trash)?;
    ensure!(trash.is_empty(), "left behind in the trash: {trash:?}");
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| folder.display().to_string()),
    }
}

fn walk(folder: &Path, prefix: &str, names: &mut BTreeMap<String, u64>) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().context("an entry without a name")?.to_string_lossy().into_owned();
        let name = format!("{prefix}{name}");
        let about = fs::symlink_metadata(&path)?;
        if about.is_dir() {
            walk(&path, &format!("{name}/"), names)?;
        } else {
            names.insert(name, about.len());
        }
    }
    Ok(())
}
