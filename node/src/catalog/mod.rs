//! The catalog: a database that caches attr files, keeps the write-ahead log and the element's singleton row.
//!
//! It is disposable: everything in it but open intents can be made again from the storage. It knows rows, not files.

mod element;
mod error;
mod exact;
mod job;
mod lane;
mod log;
pub mod postgres;
pub mod sqlite;
mod transition;

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

pub use self::element::{ConfigRow, NewElement, NewTerm};
pub use self::error::{CatalogError, CatalogResult};
pub use self::job::{JobKind, JobRow, JobState};
pub use self::log::{Commit, CommitVerdict, IntentVerdict, WalPending, WalQuery};
pub use self::transition::{ModeChange, RowGuard, Transition, TransitionVerdict};
use crate::model::{FileQuery, FileRow, Page, Term, Timestamp, Totals, TransactionId, WalRow};

/// A catalog behind its trait.
pub type SharedCatalog = Arc<dyn Catalog>;

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

    /// Ends the sessions in which older terms of this element write, before the epoch is raised: a client frozen in the
    /// middle of a statement holds its locks, and nothing else ends it. Nothing to do where a database has no sessions
    /// that outlive their process.
    async fn end_other_sessions(&self, element_id: Uuid) -> CatalogResult<()>;

    /// Begins a term; false when the row's epoch is no longer the expected one. A transition that leads to the mode it
    /// writes is done, so it is taken away; any other is inherited.
    async fn begin_term(&self, term: &NewTerm) -> CatalogResult<bool>;

    /// This process is in no term any more: what it still writes, it writes in the name of none.
    fn end_term(&self) {}

    /// Returns when another process may have changed the singleton row, or a little later than never: whoever must know
    /// also looks by itself. May be given up and asked again.
    async fn changed(&self) {
        std::future::pending().await
    }

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

    /// The rows of these files, whatever their status, in any order and each once; files that are not cached are left
    /// out. One statement.
    async fn files(&self, ids: &[Uuid]) -> CatalogResult<Vec<FileRow>>;

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
    /// a higher attempt. Repeated (same id, attempt and target), it extends `prepared_until`, also by a version of the row
    /// that was the latest before the first time, as long as it stands.
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
    /// transaction, conditional like [`may_commit`](Self::may_commit). Repeated after it was done, it is done, whatever
    /// the guard: the row of the log is there and the mode is in force.
    async fn commit_mode(&self, guard: RowGuard, change: &ModeChange) -> CatalogResult<TransitionVerdict>;

    /// Takes a prepared change back, whatever its attempt, and no other. Not being there is success.
    async fn abort(&self, guard: RowGuard, transition_id: &str) -> CatalogResult<TransitionVerdict>;

    /// Begins a job, always as running; false when another one of its kind runs already. Of ended jobs the latest 100
    /// are kept.
    async fn start_job(&self, job: &JobRow) -> CatalogResult<bool>;

    /// Writes a job's state, progress, report and end, while it is running. False when it is not (any more).
    async fn update_job(&self, job: &JobRow) -> CatalogResult<bool>;

    /// Marks running jobs of `node` (or of every node) as interrupted: their process is gone.
    async fn interrupt_jobs(&self, node: Option<&str>) -> CatalogResult<u64>;

    /// The latest jobs, newest first.
    async fn jobs(&self, limit: u32) -> CatalogResult<Vec<JobRow>>;

    /// One job.
    async fn job(&self, job_id: Uuid) -> CatalogResult<Option<JobRow>>;

    /// Active files that came at or before `created_to`, by id (oldest first) after `after`: candidates of the time to
    /// live. Holds and dates of their own are not judged here.
    async fn active_before(
        &self,
        created_to: Timestamp,
        after: Option<Uuid>,
        limit: u32,
    ) -> CatalogResult<Vec<FileRow>>;

    /// Deleted files by id (oldest first) after `after`: candidates of the grace period.
    async fn deleted(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>>;

    /// Removes ended rows of the log (COMMITTED, ROLLED_BACK) that ended before `before`, at most `limit`; how many.
    /// None when the term is over.
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
