//! `element.json` and the reports of mode changes, replaced only where they are as they were when that was prepared.

use bytes::Bytes;

use super::store::{Condition, Store, Written};
use crate::storage::document::Stands;
use crate::storage::{Document, Prepared, StorageError, StorageResult};

/// The bytes of `element.json`, if it is there.
pub(super) async fn read_element_file(store: &Store) -> StorageResult<Option<Bytes>> {
    let path = Document::Element.path();
    let found = store.get(&path).await.map_err(|failure| failure.at("read", &path))?;
    Ok(found.map(|object| object.bytes))
}

/// Looks at what stands there now. Not what this process has seen last: by reading it once more, later, it would take
/// its successor's version for the one that it may replace.
pub(super) async fn prepare(store: &Store, document: Document, folder: &str) -> StorageResult<Prepared> {
    let path = document.path();
    let found = store.get(&path).await.map_err(|failure| failure.at("read", &path))?;
    let stands = match found.map(|object| object.etag) {
        Some(Some(version)) => Stands::Version(version),
        // A store that names no version is asked for nothing being there: that is refused.
        Some(None) | None => Stands::Nothing,
    };
    Ok(Prepared { document, folder: folder.to_owned(), stands })
}

/// Replaces it. [`StorageError::Conflict`] when another process has replaced it since.
pub(super) async fn replace(store: &Store, prepared: &Prepared, bytes: Bytes) -> StorageResult<()> {
    let path = prepared.document.path();
    let condition = match &prepared.stands {
        Stands::Version(version) => Condition::Is(version.clone()),
        Stands::Nothing | Stands::Unasked => Condition::Absent,
    };
    match store.put_if(&path, bytes, condition).await {
        Ok(Written::Done(_)) => Ok(()),
        Ok(Written::Unmet(_)) => Err(StorageError::Conflict { path }),
        Err(refused) => Err(refused.failure.at("replace", &path)),
    }
}

/// Whether the store answers.
pub(super) async fn look(store: &Store) -> StorageResult<()> {
    let path = Document::Element.path();
    store.head(&path).await.map(|_| ()).map_err(|failure| failure.at("look at", &path))
}
