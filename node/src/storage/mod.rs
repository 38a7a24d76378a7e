//! The storage: bytes and attr files, on a local volume or in an S3 bucket.
//!
//! It knows no database and takes no decisions: it does the steps of the write protocol that `files/` and `settling/`
//! order. Its errors say which path, what was tried and what the system said.

mod claim;
mod document;
pub mod local;
pub mod s3;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use uuid::Uuid;

pub use claim::{ClaimPlace, Claimed, Replaced};
pub use document::{Document, Prepared};

use crate::model::{Epoch, OperationType, StoragePath, Term, Timestamp, TransactionId};

/// A storage behind its trait.
pub type SharedStorage = Arc<dyn Storage>;

/// A stream of pieces of a file's data.
pub type DataStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// What can go wrong in a storage.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No space, or a quota is used up.
    #[error("no space left to {action} {path}")]
    Full {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: String,
    },
    /// An fsync failed: what was written to this file may be lost even though later calls succeed.
    #[error(
        "fsync of {path} failed ({source}): what the disk holds is not known any more; replace the volume or restart"
    )]
    SyncFailed {
        /// Which file or folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The term's staging folder is gone: a successor has taken over.
    #[error("the staging folder of term {term} is gone: a successor has taken over")]
    TermOver {
        /// The term that is over.
        term: Term,
    },
    /// What was expected at a path is not there.
    #[error("{path} is not there")]
    Missing {
        /// Which path.
        path: String,
    },
    /// The object was changed meanwhile (a conditional put was refused).
    #[error("{path} was changed meanwhile")]
    Conflict {
        /// Which path.
        path: String,
    },
    /// The storage cannot be used as it is, and why.
    #[error("{reason}")]
    Refused {
        /// What was found, and what to do.
        reason: String,
    },
    /// Anything else the system said.
    #[error("could not {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds this volume.
    #[error("{path} is locked: {holder}. Stop that process first; one element is served by one process")]
    Locked {
        /// The lock file.
        path: String,
        /// What is known of who holds it.
        holder: String,
    },
}

/// A result of the storage.
pub type StorageResult<T> = Result<T, StorageError>;

/// Whether data is written before or after its intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataOrder {
    /// Data waits in a staging folder until the intent is durable (local volumes).
    BeforeIntent,
    /// Data goes to its final key, which the intent has to name first (S3).
    AfterIntent,
}

/// What was received, hashed on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Bytes.
    pub size: u64,
    /// SHA-256, lower-case hex.
    pub checksum: String,
}

/// A new file on its way in. Dropped before [`publish`](Self::publish), it leaves nothing behind that could be seen.
///
/// Order of calls: `write`*, `seal`, `stage`, then (intent durable) `publish`. With [`DataOrder::AfterIntent`] the intent
/// is durable before the file is begun, data is at its final key after `seal`, and what a dropped one leaves there goes
/// when its transaction is settled.
#[async_trait]
pub trait NewFile: Send {
    /// Takes the next piece of data.
    async fn write(&mut self, piece: Bytes) -> StorageResult<()>;

    /// Ends the data.
    async fn seal(&mut self) -> StorageResult<Sealed>;

    /// Takes the attr. On a local volume data and attr are durable in the staging folder when this returns.
    async fn stage(&mut self, attr: Bytes) -> StorageResult<()>;

    /// Puts data and attr in place and makes both durable. The rename of the attr is the commit point: an error for
    /// which [`PublishError::committed`] holds came after it.
    async fn publish(self: Box<Self>) -> Result<(), PublishError>;
}

/// Why a file or a new revision was not published, and whether it is visible all the same.
#[derive(Debug)]
pub struct PublishError {
    /// The attr is, or may be, in place: settling has to find out, the operation must not be called failed.
    pub committed: bool,
    /// What went wrong.
    pub error: StorageError,
}

/// An attr file as it was read: bytes and what a later replacement is conditional on, read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrOnDisk {
    /// Where its data is.
    pub path: StoragePath,
    /// The attr file's bytes.
    pub bytes: Bytes,
    /// The entity tag, where the store has one.
    pub etag: Option<String>,
}

/// A data file's outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataStat {
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// A file found while scanning: an attr, a data file, or both halves of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The data file's path, there or not.
    pub path: StoragePath,
    /// The attr file's bytes, if there is one, or why they cannot be read.
    pub attr: Option<Result<Bytes, String>>,
    /// The data file, if it is there.
    pub data: Option<DataStat>,
}

/// Space of the volume, or of the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that can still be written.
    pub available: u64,
}

/// A storage. Every make passes the suite in `tests/storage_suite`.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Whether data is written before or after its intent.
    fn order(&self) -> DataOrder;

    /// Where it is, for people.
    fn place(&self) -> String;

    /// This storage was refused before anything was written: what opening it has made is taken away again.
    fn refused(&self) {}

    /// The bytes of `element.json`; `None` on a new volume.
    async fn element_file(&self) -> StorageResult<Option<Bytes>>;

    /// Prepares the replacing of a document: makes `.element/staging/{folder}/`, where it is staged, durable, and notes
    /// which version stands there now (S3). To be done before the last look at who is master: whoever takes over later
    /// removes the folder and replaces the version, so that what was prepared before it fails from then on.
    async fn prepare_document(&self, document: Document, folder: &str) -> StorageResult<Prepared>;

    /// Replaces a document whole, durable on return. [`StorageError::Conflict`] when it is not any more as it was when
    /// this was prepared.
    async fn replace_document(&self, prepared: Prepared, bytes: Bytes) -> StorageResult<()>;

    /// Whether any file of the element is here (an attr or data in an hour folder): tells a new volume from a
    /// volume whose `element.json` is lost.
    async fn holds_files(&self) -> StorageResult<bool>;

    /// The highest epoch that names below `.staging/` tell of.
    async fn highest_epoch(&self) -> StorageResult<Option<Epoch>>;

    /// Makes it impossible that any other term changes anything here from now on, and makes this term's own place.
    /// What the other terms had staged is kept aside until [`empty_trash`](Self::empty_trash).
    async fn begin_term(&self, term: Term) -> StorageResult<()>;

    /// Removes what older terms had staged, once all their transactions are settled.
    async fn empty_trash(&self) -> StorageResult<()>;

    /// Removes this term's own place at a clean stop, if nothing is in it any more.
    async fn end_term(&self, term: Term) -> StorageResult<()>;

    /// Begins a new file. Nothing of it can be seen before it is published.
    async fn new_file(&self, term: Term, tx: TransactionId, path: &StoragePath) -> StorageResult<Box<dyn NewFile>>;

    /// Replaces an attr by its next revision: stages it durable in the term's place (`stage`), to be published by
    /// [`publish_attr`](Self::publish_attr) once the intent is durable.
    async fn stage_attr(&self, term: Term, tx: TransactionId, attr: Bytes) -> StorageResult<()>;

    /// Puts a staged attr in place, durable on return. The rename is the commit point.
    async fn publish_attr(&self, term: Term, tx: TransactionId, before: &AttrOnDisk) -> Result<(), PublishError>;

    /// Removes what one transaction of the own term has staged and makes the removal durable.
    async fn unstage(&self, term: Term, tx: TransactionId) -> StorageResult<()>;

    /// Makes it impossible that the attr of transaction `tx` still comes to `path`, unless it is there already. Only
    /// after this may what the transaction did be undone. Local: what it has staged is removed. S3: for a create a
    /// tombstone, for everything else a rewrite of the attr in place, which takes away the entity tag that its put
    /// depends on (`10-node`, Fencing).
    async fn make_impossible(
        &self,
        term: Term,
        operation: OperationType,
        tx: TransactionId,
        path: &StoragePath,
    ) -> StorageResult<()>;

    /// The attr beside `path`; `None` when it is not there.
    async fn attr(&self, path: &StoragePath) -> StorageResult<Option<AttrOnDisk>>;

    /// The attr of the file with this id, found by one listing of the hour folder that the id names.
    async fn find_attr(&self, file_id: Uuid) -> StorageResult<Option<AttrOnDisk>>;

    /// The data file's outside; `None` when it is not there.
    async fn data_stat(&self, path: &StoragePath) -> StorageResult<Option<DataStat>>;

    /// The data in `range`, in large pieces.
    async fn read(&self, path: &StoragePath, range: Range<u64>) -> StorageResult<DataStream>;

    /// Makes what stands at `path` durable (data, attr and the folder).
    async fn make_durable(&self, path: &StoragePath) -> StorageResult<()>;

    /// Puts the data that transaction `tx` of any term had staged in place at `path`, if it is still kept somewhere.
    /// False when it is not.
    async fn finish_data(&self, tx: TransactionId, path: &StoragePath, size: Option<u64>) -> StorageResult<bool>;

    /// Removes a data file that no attr names and none can name any more. Not being there is success.
    async fn remove_data(&self, path: &StoragePath) -> StorageResult<()>;

    /// Removes what is left of a deleted file whose grace is over: data first, attr last (on S3 a tombstone takes its
    /// place). Not being there is success.
    async fn purge(&self, term: Term, path: &StoragePath) -> StorageResult<()>;

    /// Moves a data file that nobody knows to `.quarantine/`, where a person decides. False when it is gone.
    async fn quarantine(&self, path: &StoragePath) -> StorageResult<bool>;

    /// Whether nothing is staged in this term.
    async fn staging_is_empty(&self, term: Term) -> StorageResult<bool>;

    /// Calls for every file below the root, folder by folder in the order of time, in batches of one folder or less;
    /// bounded memory. Ends early without error when the receiver is gone.
    async fn scan(&self, found: tokio::sync::mpsc::Sender<Vec<Found>>) -> StorageResult<()>;

    /// Space left; `None` when nothing limits it.
    async fn space(&self) -> StorageResult<Option<Space>>;

    /// Whether it can be reached, and with `write` whether a file can be written.
    async fn probe(&self, write: bool) -> StorageResult<()>;

    /// Why this storage takes no more writes (an fsync has failed), if so.
    fn broken(&self) -> Option<String>;

    /// Folder syncs made so far: the proof that they are shared.
    fn folder_syncs(&self) -> u64;
}
