//! Rows of the write-ahead log: what is about to be done to an element, and how it ended.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Epoch, StoragePath, Timestamp};

/// Names one transaction of the write-ahead log.
pub type TransactionId = Uuid;

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationType {
    /// A file is added.
    FileCreate,
    /// A file's description, retention or hold changes.
    FileUpdate,
    /// A file is marked deleted.
    FileDelete,
    /// The cache was made again from the attr files; written once, when it ends.
    CacheRebuild,
    /// The element's mode changes.
    ModeChange,
}

impl OperationType {
    /// Every type.
    pub const ALL: [Self; 5] =
        [Self::FileCreate, Self::FileUpdate, Self::FileDelete, Self::CacheRebuild, Self::ModeChange];

    /// The name in the catalog, the API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FileCreate => "FILE_CREATE",
            Self::FileUpdate => "FILE_UPDATE",
            Self::FileDelete => "FILE_DELETE",
            Self::CacheRebuild => "CACHE_REBUILD",
            Self::ModeChange => "MODE_CHANGE",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }
}

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WalStatus {
    /// Announced, not ended.
    Pending,
    /// Done.
    Committed,
    /// Undone; nothing of it can be seen.
    RolledBack,
    /// Neither done nor undone: settling could not tell. A person has to look.
    Failed,
}

impl WalStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Committed, Self::RolledBack, Self::Failed];

    /// The name in the catalog, the API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Committed => "COMMITTED",
            Self::RolledBack => "ROLLED_BACK",
            Self::Failed => "FAILED",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// What settling has to know about an operation on a file that was interrupted: the row's `operation_data`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIntent {
    /// Where the data is, or will be.
    pub storage_path: StoragePath,
    /// The revision this transaction makes.
    pub revision: u64,
    /// Size of the data in bytes, where it is known before the intent (local volumes).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file_size: Option<u64>,
    /// The attr's entity tag in the store when it was read, for updates on S3.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected_etag: Option<String>,
    /// Why, where a person said so (legal hold).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// What a newer version wrote here; kept.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// One row of the write-ahead log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalRow {
    /// The transaction.
    pub transaction_id: TransactionId,
    /// What it does.
    pub operation_type: OperationType,
    /// How it stands.
    pub status: WalStatus,
    /// The file it is about, if it is about one.
    pub file_id: Option<Uuid>,
    /// What settling needs; for files a [`FileIntent`].
    pub operation_data: Value,
    /// Why it failed or was rolled back.
    pub error_message: Option<String>,
    /// When it was announced.
    pub started_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// Who asked for it (`sub` of the token).
    pub user_id: Option<String>,
    /// The term's number in which it was announced.
    pub epoch: Epoch,
}
