//! The write-ahead log: intents, their ends, and what is open.

use storage_element_crds::Mode;

use crate::model::{FileRow, Timestamp, TransactionId, WalStatus};

/// How the catalog answered an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntentVerdict {
    /// Written, durable.
    Accepted,
    /// This term is over: its epoch or nonce no longer stands.
    TermOver,
    /// The mode is one in which nothing is written.
    ModeRefuses(Mode),
    /// A mode change is prepared.
    TransitionPrepared,
}

/// How the catalog answered a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitVerdict {
    /// The files row and the row of the log say so, now or already before.
    Committed,
    /// This term is over: its successor settles the transaction.
    TermOver,
}

/// A finished operation on a file: the row to cache and the transaction to close, in one transaction.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The transaction that made this revision.
    pub transaction_id: TransactionId,
    /// What to cache.
    pub row: FileRow,
    /// How long it took, from intent to here.
    pub duration_ms: i64,
}

/// Rows of the log to look at.
#[derive(Clone, Debug, Default)]
pub struct WalQuery {
    /// Only rows with one of these; all when empty.
    pub statuses: Vec<WalStatus>,
    /// Only rows of operations on files.
    pub files_only: bool,
    /// Begin after this row, by start and transaction.
    pub after: Option<(Timestamp, TransactionId)>,
    /// At most so many.
    pub limit: u32,
}

/// Numbers about open rows of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalPending {
    /// Rows PENDING.
    pub pending: u64,
    /// Rows FAILED.
    pub failed: u64,
    /// When the oldest PENDING one began.
    pub oldest: Option<Timestamp>,
}
