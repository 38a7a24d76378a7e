//! What happens to files: upload, update, delete, read, search.
//!
//! The write protocol is here, and only here: intent, data, attr, cache, commit. This room knows no HTTP and no SQL.

mod error;
mod request;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

pub use error::{FileError, FileResult};
pub use request::{Patch, RetentionWish, UploadFields};

use crate::model::{Attr, FileQuery, FileRow, Page};
use crate::security::Caller;
use crate::storage::DataStream;

/// Judges a file's current state before it is changed or read (RFC 9110 preconditions), under the file's lock.
pub type Precheck<'a> = &'a (dyn Fn(&Attr) -> FileResult<()> + Send + Sync);

/// The operations on files.
#[derive(Clone)]
pub struct Files {
    inner: Arc<()>,
}

/// How an upload begins.
pub enum UploadStart {
    /// The idempotency key was used before: this is the file it made.
    Replay(Box<FileRow>),
    /// Send the data.
    Begin(Box<Upload>),
}

/// An upload on its way. Dropped before [`finish`](Self::finish), it leaves nothing behind.
pub struct Upload {
    _files: Files,
}

impl Upload {
    /// The data begins: its name as sent by the client (raw) and its media type, if it is valid.
    pub async fn begin_file(&mut self, _filename: &str, _content_type: Option<&str>) -> FileResult<()> {
        unimplemented!()
    }

    /// The next piece of data. Fails when a limit is passed, space is out, or this node may no longer write.
    pub async fn write(&mut self, _piece: Bytes) -> FileResult<()> {
        unimplemented!()
    }

    /// All data and fields are here: publishes the file. When this returns the file survives a power cut.
    pub async fn finish(self, _fields: UploadFields) -> FileResult<FileRow> {
        unimplemented!()
    }

    /// Returns when the upload has to end although its client still sends: mastership lost, or a mode change.
    /// The error to answer with. Cancel safe.
    pub async fn interrupted(&mut self) -> FileError {
        unimplemented!()
    }
}

impl Files {
    /// Everything about an upload that needs no body: mode, mastership, transition, capacity, number of uploads, and
    /// whether `key` was used before. `declared` is the request's length in bytes, where it was said.
    pub async fn start_upload(
        &self,
        _caller: &Caller,
        _declared: Option<u64>,
        _key: Option<&str>,
    ) -> FileResult<UploadStart> {
        unimplemented!()
    }

    /// One file's metadata. Deleted and blocked files are not found.
    pub async fn metadata(&self, _id: Uuid) -> FileResult<FileRow> {
        unimplemented!()
    }

    /// A list or search.
    pub async fn list(&self, _query: &FileQuery) -> FileResult<Page> {
        unimplemented!()
    }

    /// One file's metadata for a download; in `ar` [`FileError::Archived`] if it is there.
    pub async fn for_download(&self, _id: Uuid) -> FileResult<FileRow> {
        unimplemented!()
    }

    /// The data of a file in `range`, in pieces of up to 256 KiB.
    pub async fn read(&self, _row: &FileRow, _range: Range<u64>) -> FileResult<DataStream> {
        unimplemented!()
    }

    /// Changes a file's description. A patch that changes nothing makes no revision.
    pub async fn update(
        &self,
        _caller: &Caller,
        _id: Uuid,
        _patch: Patch,
        _check: Precheck<'_>,
    ) -> FileResult<FileRow> {
        unimplemented!()
    }

    /// Deletes a file, finally.
    pub async fn delete(&self, _caller: &Caller, _id: Uuid, _check: Precheck<'_>) -> FileResult<()> {
        unimplemented!()
    }
}
