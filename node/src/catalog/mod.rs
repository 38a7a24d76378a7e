//! The catalog: a database that caches attr files, keeps the write-ahead log and the element's singleton row.
//!
//! It is disposable: everything in it but open intents can be made again from the storage. It knows rows, not files.

mod lane;
pub mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use storage_element_crds::Mode;
use uuid::Uuid;

use crate::model::{Epoch, FileQuery, FileRow, Page, Term, Timestamp, Totals, TransactionId, WalRow, WalStatus};

/// A catalog behind its trait.
pub type SharedCatalog = Arc<dyn Catalog>;

/// What can go wrong in a catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It does not answer, or answered that it cannot now. Whether a write happened is not known.
    #[error("the catalog could not {action}: {reason}")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// What the database said, without values of rows.
        reason: String,
    },
    /// It refuses this one row, and will again.
    #[error("the catalog refuses to {action}: {reason}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// What the database said, without values of rows.
        reason: String,
    },
    /// Its schema is newer than this program knows how to use.
    #[error(
        "the catalog's schema has version {found}, this program knows version {known} and can use one newer at most: \
         install the newer program"
    )]
    SchemaNewer {
        /// Found.
        found: i64,
        /// Known here.
        known: i64,
    },
    /// It has no schema yet, or an older one, and this caller may not change it.
    #[error("the catalog's schema has version {found}, version {wanted} is needed: run `storage-node migrate`")]
    SchemaOlder {
        /// Found.
        found: i64,
        /// Wanted.
        wanted: i64,
    },
    /// What stands in a row cannot be read.
    #[error("the catalog's {what} cannot be read: {reason}")]
    Corrupt {
        /// Which row.
        what: String,
        /// Why.
        reason: String,
    },
}

/// A result of the catalog.
pub type CatalogResult<T> = Result<T, CatalogError>;

/// A mode change that is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Names it; every phase repeats it.
    pub id: String,
    /// Rises when the orchestrator starts over; a lower one is refused.
    pub attempt: u64,
    /// The mode it leads to.
    pub target: Mode,
}

/// The singleton row (id 1): what is true of the element as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfigRow {
    /// The element.
    pub element_id: Uuid,
    /// This catalog; `element.json` carries it too.
    pub catalog_id: Uuid,
    /// The mode.
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
    /// By whom.
    pub mode_changed_by: Option<String>,
    /// A mode change on its way.
    pub transition: Option<Transition>,
    /// Until when new intents are refused for it, by the catalog's clock.
    pub prepared_until: Option<Timestamp>,
    /// Number of the running term; 0 before the first.
    pub epoch: Epoch,
    /// Its nonce.
    pub nonce: Option<crate::model::Nonce>,
    /// Rises with every change of this row.
    pub row_version: i64,
    /// Who is master.
    pub master: Option<String>,
    /// Where its peer port is.
    pub master_address: Option<String>,
    /// Since when.
    pub master_elected_at: Option<Timestamp>,
    /// When the cache was last made again.
    pub last_cache_rebuild: Option<Timestamp>,
    /// The cache does not hold the storage's files yet: a rebuild has to end before reads trust it.
    pub needs_rebuild: bool,
    /// When the row came.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The first content of the singleton row.
#[derive(Clone, Debug)]
pub struct NewElement {
    /// The element.
    pub element_id: Uuid,
    /// This catalog.
    pub catalog_id: Uuid,
    /// Its mode.
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
    /// The storage already holds files that this catalog does not know.
    pub needs_rebuild: bool,
}

/// A term about to begin.
#[derive(Clone, Debug)]
pub struct NewTerm {
    /// The term.
    pub term: Term,
    /// The highest epoch this caller has seen in the row: the term begins only if the row still says so.
    pub expected_epoch: Epoch,
    /// Who is master from now on.
    pub master: String,
    /// Where its peer port is.
    pub master_address: Option<String>,
    /// Set `needs_rebuild` in the same statement: raising the epoch destroys the evidence that the catalog is old.
    pub needs_rebuild: bool,
    /// Write this mode in the same statement (the more restrictive of catalog and `element.json`).
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
}

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

/// Which writer may change the singleton row: the master by its term, or, in `ro` and `ar`, where there is none, anyone
/// who has seen the row's latest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowGuard {
    /// The row still has this epoch and nonce.
    Term(Term),
    /// The row still has this `row_version`.
    Version(i64),
}

/// How the catalog answered a phase of a mode change.
#[derive(Clone, Debug, PartialEq)]
pub enum TransitionVerdict {
    /// Done; the row as it is now.
    Done(Box<ConfigRow>),
    /// The guard no longer holds: the term is over, or somebody changed the row.
    Overtaken,
    /// The row's transition is another one, or the same with a higher attempt.
    Other(Transition),
    /// No such transition is prepared, or its time is over.
    NotPrepared,
    /// Transactions on files are open (PENDING or FAILED): so many.
    OpenTransactions(u64),
}

/// A committed change of mode.
#[derive(Clone, Debug)]
pub struct ModeChange {
    /// The transition, as it was prepared.
    pub transition: Transition,
    /// Since when the new mode is in force.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// The row of the log, status COMMITTED.
    pub row: WalRow,
}

/// A kind of job; one of a kind runs at a time, across nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Makes the cache again.
    Rebuild,
    /// Verifies every file.
    Verify,
    /// Removes what has expired.
    Gc,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// At work.
    Running,
    /// Ended with its work done.
    Succeeded,
    /// Ended by an error.
    Failed,
    /// Ended by somebody's wish.
    Cancelled,
    /// Its process ended first.
    Interrupted,
}

/// A row of the jobs table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobRow {
    /// The job.
    pub job_id: Uuid,
    /// What it does.
    pub kind: JobKind,
    /// How it stands.
    pub state: JobState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How far it is: `{done, total, bytes, rate, eta_seconds}`.
    pub progress: serde_json::Value,
    /// What it found, or why it failed.
    pub report: Option<serde_json::Value>,
    /// Who runs it, as the election names it.
    pub node: String,
}

/// What retention holds, over all active files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionSummary {
    /// The latest date any file has of its own.
    pub latest_until: Option<Timestamp>,
    /// When the newest file came: with the element's minimum it is kept longest.
    pub newest_created_at: Option<Timestamp>,
    /// Files with a legal hold.
    pub legal_holds: u64,
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

/// What groups have cost so far: the proof that work is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CatalogCounters {
    /// Write transactions.
    pub transactions: u64,
    /// Connections in use and idle.
    pub connections_used: u64,
    /// Connections that wait for work.
    pub connections_idle: u64,
}

/// A catalog. Every make passes the suite in `tests/catalog_suite`.
///
/// Writes by a term are conditional on its epoch and nonce in the statement itself. Intents and commits are idempotent
/// by transaction id, so an answer that was lost may be asked for again.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// Brings the schema up to date. Only a master or `migrate` calls it.
    async fn migrate(&self) -> CatalogResult<()>;

    /// Succeeds when the schema can be used as it is.
    async fn check_schema(&self) -> CatalogResult<()>;

    /// Succeeds when the database answers.
    async fn ping(&self) -> CatalogResult<()>;

    /// The catalog's clock.
    async fn now(&self) -> CatalogResult<Timestamp>;

    /// The singleton row; `None` in a new catalog.
    async fn config(&self) -> CatalogResult<Option<ConfigRow>>;

    /// Writes the singleton row of a new catalog. Changes nothing where there is one.
    async fn create_element(&self, element: &NewElement) -> CatalogResult<()>;

    /// Begins a term; false when the row's epoch is no longer the expected one.
    async fn begin_term(&self, term: &NewTerm) -> CatalogResult<bool>;

    /// Announces an operation: durable once accepted, and accepted only while the term stands, the mode allows writes
    /// and no transition is prepared, all judged in the statement that inserts. Waiting intents go in one statement; a
    /// group that is refused is tried row by row.
    async fn intent(&self, term: Term, row: WalRow) -> CatalogResult<IntentVerdict>;

    /// Caches a file's row and closes its transaction. Grouped like intents. The row moves only forward in `revision`.
    async fn commit(&self, term: Term, commit: Commit) -> CatalogResult<CommitVerdict>;

    /// Closes a transaction as rolled back, with the reason. Also lifts its block from the file's row.
    async fn roll_back(&self, term: Term, transaction_id: TransactionId, reason: &str) -> CatalogResult<CommitVerdict>;

    /// Marks a transaction as one that settling could not decide, with the reason, and blocks the file's row.
    async fn fail(&self, term: Term, transaction_id: TransactionId, reason: &str) -> CatalogResult<CommitVerdict>;

    /// Rows of the log, oldest first.
    async fn wal(&self, query: &WalQuery) -> CatalogResult<Vec<WalRow>>;

    /// One row of the log.
    async fn wal_row(&self, transaction_id: TransactionId) -> CatalogResult<Option<WalRow>>;

    /// Numbers about open rows of the log.
    async fn wal_pending(&self) -> CatalogResult<WalPending>;

    /// The FAILED transaction of a file, if there is one.
    async fn blocked_by(&self, file_id: Uuid) -> CatalogResult<Option<TransactionId>>;

    /// A file's row, whatever its status.
    async fn file(&self, file_id: Uuid) -> CatalogResult<Option<FileRow>>;

    /// The row with this idempotency key of this sender, whatever its status.
    async fn file_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<FileRow>>;

    /// The open transaction (PENDING or FAILED) whose `operation_data` carries this key of this sender.
    async fn open_transaction_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<TransactionId>>;

    /// A page of files. Blocked rows are left out.
    async fn list(&self, query: &FileQuery) -> CatalogResult<Page>;

    /// Sums over all files.
    async fn totals(&self) -> CatalogResult<Totals>;

    /// The highest file id ever cached, so that new ids stay above it.
    async fn highest_file_id(&self) -> CatalogResult<Option<Uuid>>;

    /// Upserts rows as part of rebuild `mark`, each only if the cached revision is not higher; marks those it saw.
    /// False when the term is over.
    async fn rebuild_batch(&self, term: Term, mark: Uuid, rows: Vec<FileRow>) -> CatalogResult<bool>;

    /// Rows that rebuild `mark` has not marked, or saw with a higher revision than their attr's, by id after `after`.
    async fn unmarked(&self, mark: Uuid, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>>;

    /// Sets a row to what its attr says now, in either direction of `revision`, or removes it (`None`).
    /// False when the term is over.
    async fn correct(&self, term: Term, file_id: Uuid, row: Option<FileRow>) -> CatalogResult<bool>;

    /// Updates a row that is there from its attr, forward only: never inserts. For a row past its time to live.
    async fn refresh(&self, row: FileRow) -> CatalogResult<()>;

    /// Writes the `CACHE_REBUILD` row, once, when the rebuild has ended, and with COMMITTED clears `needs_rebuild`.
    async fn end_rebuild(&self, term: Term, row: WalRow) -> CatalogResult<bool>;

    /// Prepares a mode change, durable: one conditional statement that writes the transition and `prepared_until`
    /// (`hold_seconds` from now, the catalog's clock) unless another one that is not over stands there, or the same with
    /// a higher attempt. Repeated, it extends `prepared_until`.
    async fn prepare(
        &self,
        guard: RowGuard,
        transition: &Transition,
        hold_seconds: u32,
    ) -> CatalogResult<TransitionVerdict>;

    /// Whether a prepared change may be committed now: it stands, its time is not over, and no transaction on a file is
    /// open. A statement of its own, later than the one that prepared.
    async fn may_commit(&self, guard: RowGuard, transition: &Transition) -> CatalogResult<TransitionVerdict>;

    /// Commits a mode change: the row (mode, since when, by whom, no transition any more) and its row of the log in one
    /// transaction, conditional like [`may_commit`](Self::may_commit).
    async fn commit_mode(&self, guard: RowGuard, change: &ModeChange) -> CatalogResult<TransitionVerdict>;

    /// Takes a prepared change back. Not being there is success.
    async fn abort(&self, guard: RowGuard, transition_id: &str) -> CatalogResult<TransitionVerdict>;

    /// Begins a job; false when one of its kind runs already.
    async fn start_job(&self, job: &JobRow) -> CatalogResult<bool>;

    /// Writes a job's state, progress and report, while it is running. False when it is not (any more).
    async fn update_job(&self, job: &JobRow) -> CatalogResult<bool>;

    /// Marks running jobs of `node` (or of every node) as interrupted: their process is gone.
    async fn interrupt_jobs(&self, node: Option<&str>) -> CatalogResult<u64>;

    /// The latest jobs, newest first.
    async fn jobs(&self, limit: u32) -> CatalogResult<Vec<JobRow>>;

    /// One job.
    async fn job(&self, job_id: Uuid) -> CatalogResult<Option<JobRow>>;

    /// Active files that came at or before `created_to`, oldest first, after `after`: candidates of the time to live.
    async fn active_before(
        &self,
        created_to: Timestamp,
        after: Option<Uuid>,
        limit: u32,
    ) -> CatalogResult<Vec<FileRow>>;

    /// Deleted files, oldest first, after `after`: candidates of the grace period.
    async fn deleted(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>>;

    /// Removes ended rows of the log (COMMITTED, ROLLED_BACK) that ended before `before`, at most `limit`; how many.
    async fn purge_wal(&self, term: Term, before: Timestamp, limit: u32) -> CatalogResult<u64>;

    /// What retention holds.
    async fn retention(&self) -> CatalogResult<RetentionSummary>;

    /// Rows by id after `after`, whatever their status: for verify.
    async fn rows_after(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>>;

    /// What groups have cost so far.
    fn counters(&self) -> CatalogCounters;

    /// Ends all connections after what was taken has been written.
    async fn close(&self);
}
