//! `element.json`: read whole, replaced whole.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};

use bytes::Bytes;

use super::disk::Disk;
use crate::failpoint;
use crate::storage::StorageResult;

/// The element's own file is small; more than this is something else.
const LIMIT_BYTES: u64 = 1024 * 1024;

/// The bytes of `element.json`, if it is there.
pub(super) fn read(disk: &Disk) -> StorageResult<Option<Bytes>> {
    let path = disk.layout.element_file();
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|file| file.take(LIMIT_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk.error("read", &path, error)),
    }
}

/// Writes the report of a mode change, staged like `element.json`, durable on return.
pub(super) fn write_report(disk: &Disk, folder: &str, id: &str, bytes: &[u8]) -> StorageResult<()> {
    let (staging, transitions) = (disk.layout.element_staging().join(folder), disk.layout.transitions());
    let (staged, path) = (staging.join("report.json"), transitions.join(format!("{id}.json")));
    disk.durable_folder(&staging)?;
    disk.durable_folder(&transitions)?;
    disk.remove(&staged)?;
    let mut file = disk.create_new(&staged)?;
    file.write_all(bytes).map_err(|source| disk.error("write", &staged, source))?;
    disk.sync_file(&file, &staged)?;
    disk.rename(&staged, &path)?;
    disk.sync_folder(&transitions)
}

/// Makes the folder that `element.json` is staged in. Made once, it is not made again by this process: a successor that
/// has removed it has ended this process' right to replace anything from it.
pub(super) fn prepare(disk: &Disk, folder: &str) -> StorageResult<()> {
    disk.durable_folder(&disk.layout.element_staging().join(folder))
}

/// Replaces `element.json`, durable on return. Staged below `.element/`, because everything else may be mounted
/// read-only, and a rename from another mount fails.
pub(super) fn replace(disk: &Disk, folder: &str, bytes: &[u8]) -> StorageResult<()> {
    let staging = disk.layout.element_staging().join(folder);
    let (staged, path) = (staging.join("element.json"), disk.layout.element_file());
    disk.durable_folder(&staging)?;
    disk.remove(&staged)?;
    let mut file = disk.create_new(&staged)?;
    file.write_all(bytes).map_err(|source| disk.error("write", &staged, source))?;
    failpoint::hit("element_file.before_sync").map_err(|source| disk.error("write", &staged, source))?;
    disk.sync_file(&file, &staged)?;
    failpoint::hit("element_file.before_rename").map_err(|source| disk.error("rename", &staged, source))?;
    disk.rename(&staged, &path)?;
    failpoint::hit("element_file.after_rename").map_err(|source| disk.error("rename", &path, source))?;
    disk.sync_folder(&disk.layout.element())?;
    failpoint::hit("element_file.after_sync_folder").map_err(|source| disk.error("sync", &path, source))
}
