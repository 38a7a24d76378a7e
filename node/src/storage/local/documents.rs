//! `element.json` and the reports of mode changes: replaced whole.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use bytes::Bytes;

use super::disk::Disk;
use crate::failpoint;
use crate::storage::{Document, Prepared, StorageResult};

/// The element's own file is small; more than this is something else.
const LIMIT_BYTES: u64 = 1024 * 1024;

/// The bytes of `element.json`, if it is there.
pub(super) fn read_element_file(disk: &Disk) -> StorageResult<Option<Bytes>> {
    let path = disk.layout.element_file();
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|file| file.take(LIMIT_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk.error("read", &path, error)),
    }
}

/// Makes the folder that a document is staged in. Made once, it is not made again by this process: a successor that has
/// removed it has ended this process' right to replace anything from it.
pub(super) fn prepare(disk: &Disk, prepared: &Prepared) -> StorageResult<()> {
    if matches!(prepared.document, Document::Report(_)) {
        disk.durable_folder(&disk.layout.transitions())?;
    }
    disk.durable_folder(&disk.layout.element_staging().join(&prepared.folder))
}

/// Replaces a document, durable on return. Staged below `.element/`, because everything else may be mounted read-only,
/// and a rename from another mount fails.
pub(super) fn replace(disk: &Disk, prepared: &Prepared, bytes: &[u8]) -> StorageResult<()> {
    let staging = disk.layout.element_staging().join(&prepared.folder);
    let (name, folder) = match &prepared.document {
        Document::Element => ("element.json", disk.layout.element()),
        Document::Report(_) => ("report.json", disk.layout.transitions()),
    };
    let (staged, path) = (staging.join(name), disk.layout.root().join(prepared.document.path()));
    // The points are named for `element.json`.
    let hit = |point, at: &Path| match prepared.document {
        Document::Element => failpoint::hit(point).map_err(|source| disk.error("replace", at, source)),
        Document::Report(_) => Ok(()),
    };
    disk.remove(&staged)?;
    let mut file = disk.create_new(&staged)?;
    file.write_all(bytes).map_err(|source| disk.error("write", &staged, source))?;
    hit("element_file.before_sync", &staged)?;
    disk.sync_file(&file, &staged)?;
    hit("element_file.before_rename", &staged)?;
    disk.rename(&staged, &path)?;
    hit("element_file.after_rename", &path)?;
    disk.sync_folder(&folder)?;
    hit("element_file.after_sync_folder", &path)
}
