//! Why an operation on a file was refused or failed. `http/` turns each into the error envelope.

use storage_element_crds::{Mode, Operation};
use uuid::Uuid;

use crate::catalog::CatalogError;
use crate::model::{AttrError, Timestamp, TransactionId};
use crate::storage::StorageError;

/// Why an operation was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The request asks for something that cannot be (400).
    #[error("{message}")]
    Invalid {
        /// Which part of the request.
        field: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// No such file, or it is deleted (404).
    #[error("there is no file {0}")]
    NotFound(Uuid),
    /// The mode does not allow this (409).
    #[error("mode {mode} does not allow to {}", operation.as_str())]
    ModeNotAllowed {
        /// The element's mode.
        mode: Mode,
        /// What was asked.
        operation: Operation,
    },
    /// In `ar` the bytes are sealed (409).
    #[error("file {0} is archived: its bytes are served again after the element has left mode ar")]
    Archived(Uuid),
    /// Retention or a hold stands (409).
    #[error("file {file_id} is kept {}", kept(*.until, *.legal_hold))]
    RetentionActive {
        /// Which file.
        file_id: Uuid,
        /// Until when, if a date keeps it.
        until: Option<Timestamp>,
        /// Whether a hold keeps it.
        legal_hold: bool,
    },
    /// The file is not in the state the request expects (412).
    #[error("file {0} has changed: read it again and repeat the request with its current ETag")]
    PreconditionFailed(Uuid),
    /// The attr was written by a newer version of the program (409).
    #[error(
        "the description of file {0} was written by a newer version of this program and is not rewritten by this one"
    )]
    AttrNewer(Uuid),
    /// More bytes than allowed (413).
    #[error("the file is larger than the {limit} bytes allowed here")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The data is not what the sender said (422).
    #[error(
        "the data received has SHA-256 {actual}, not {expected}: it was changed on its way, or another file was sent"
    )]
    ChecksumMismatch {
        /// As the request said.
        expected: String,
        /// As received.
        actual: String,
    },
    /// No space (507).
    #[error("the storage is full: {0}")]
    StorageFull(String),
    /// A mode change is on its way (503).
    #[error("a mode change is in progress: try again shortly")]
    TransitionInProgress,
    /// This node does not write (503).
    #[error("this node is not the master: {0}")]
    NotMaster(String),
    /// Interrupted operations are being settled (503).
    #[error("the element is recovering: {0}")]
    Recovering(String),
    /// The operation may have happened; settling finds out (503).
    #[error("the outcome of transaction {tx} is not known yet: {reason}")]
    OutcomeUnknown {
        /// The transaction.
        tx: TransactionId,
        /// Why.
        reason: String,
    },
    /// The catalog does not answer (503).
    #[error("the database is not available: {0}")]
    DatabaseUnavailable(String),
    /// The storage does not answer, or takes no writes (503).
    #[error("the storage is not available: {0}")]
    StorageUnavailable(String),
    /// An attr file cannot be read (500).
    #[error("the description of file {file_id} is damaged: {reason}")]
    AttrInvalid {
        /// Which file.
        file_id: Uuid,
        /// Why.
        reason: String,
    },
    /// A transaction of this file could not be settled; a person has to look (500).
    #[error(
        "file {file_id} has a transaction {tx} that could not be settled: see GET /api/v1/admin/wal, then retry it"
    )]
    CacheInconsistent {
        /// Which file.
        file_id: Uuid,
        /// The transaction.
        tx: TransactionId,
    },
    /// Too many at once (429).
    #[error("{0}")]
    TooMany(String),
    /// Anything else: a defect (500).
    #[error("{0}")]
    Internal(String),
}

/// A result of an operation on files.
pub type FileResult<T> = Result<T, FileError>;

fn kept(until: Option<Timestamp>, legal_hold: bool) -> String {
    match (until, legal_hold) {
        (Some(until), true) => format!("by a legal hold, and until {until}"),
        (Some(until), false) => format!("until {until}"),
        (None, _) => "by a legal hold".to_owned(),
    }
}

impl FileError {
    /// A part of the request that cannot be taken.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
    }
}

impl From<CatalogError> for FileError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Unavailable { .. } | CatalogError::SchemaOlder { .. } | CatalogError::SchemaNewer { .. } => {
                Self::DatabaseUnavailable(error.to_string())
            }
            CatalogError::Refused { .. } | CatalogError::Corrupt { .. } => Self::Internal(error.to_string()),
        }
    }
}

impl From<StorageError> for FileError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Full { .. } => Self::StorageFull(error.to_string()),
            StorageError::TermOver { .. } => Self::NotMaster(error.to_string()),
            _ => Self::StorageUnavailable(error.to_string()),
        }
    }
}

impl From<AttrError> for FileError {
    fn from(error: AttrError) -> Self {
        match error {
            AttrError::TooLarge { .. } => Self::invalid("metadata", error.to_string()),
            AttrError::Malformed(_) | AttrError::Contradictory(_) => Self::Internal(error.to_string()),
        }
    }
}
