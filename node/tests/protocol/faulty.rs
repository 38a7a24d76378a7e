//! A catalog that fails when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use storage_node::catalog::{
    Catalog, CatalogCounters, CatalogError, CatalogResult, Commit, CommitVerdict, ConfigRow, IntentVerdict, JobRow,
    ModeChange, NewElement, NewTerm, RetentionSummary, RowGuard, SharedCatalog, Transition, TransitionVerdict,
    WalPending, WalQuery,
};
use storage_node::model::{FileQuery, FileRow, Page, Term, Timestamp, Totals, TransactionId, WalRow};
use uuid::Uuid;

/// How often something still fails.
#[derive(Default)]
pub struct Times(AtomicU32);

impl Times {
    pub fn set(&self, times: u32) {
        self.0.store(times, Ordering::SeqCst);
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

/// What fails, and how often.
#[derive(Default)]
pub struct Faults {
    /// Nothing answers.
    pub down: AtomicBool,
    /// Intents that are not written.
    pub intents: Times,
    /// Intents that are written and whose answer is lost.
    pub intent_answers: Times,
    /// Commits that are not written.
    pub commits: Times,
    /// Commits that are written and whose answer is lost.
    pub commit_answers: Times,
    /// Done once, right after the first look for a key.
    pub after_key_look: Mutex<Option<BoxFuture<'static, ()>>>,
}

pub struct Faulty {
    pub inner: SharedCatalog,
    pub faults: Arc<Faults>,
}

impl Faulty {
    fn up(&self) -> CatalogResult<&dyn Catalog> {
        if self.faults.down.load(Ordering::SeqCst) { lost() } else { Ok(self.inner.as_ref()) }
    }

    async fn key_looked(&self) {
        let then = self.faults.after_key_look.lock().take();
        if let Some(then) = then {
            then.await;
        }
    }
}

fn lost<T>() -> CatalogResult<T> {
    Err(CatalogError::Unavailable { action: "answer", reason: "the test says so".to_owned() })
}

#[async_trait]
impl Catalog for Faulty {
    async fn end_other_sessions(&self, element_id: Uuid) -> CatalogResult<()> {
        self.up()?.end_other_sessions(element_id).await
    }

    async fn intent(&self, term: Term, row: WalRow) -> CatalogResult<IntentVerdict> {
        let inner = self.up()?;
        if self.faults.intents.take() {
            return lost();
        }
        let verdict = inner.intent(term, row).await?;
        if self.faults.intent_answers.take() { lost() } else { Ok(verdict) }
    }

    async fn commit(&self, term: Term, commit: Commit) -> CatalogResult<CommitVerdict> {
        let inner = self.up()?;
        if self.faults.commits.take() {
            return lost();
        }
        let verdict = inner.commit(term, commit).await?;
        if self.faults.commit_answers.take() { lost() } else { Ok(verdict) }
    }

    async fn migrate(&self) -> CatalogResult<()> {
        self.up()?.migrate().await
    }

    async fn check_schema(&self) -> CatalogResult<()> {
        self.up()?.check_schema().await
    }

    async fn ping(&self) -> CatalogResult<()> {
        self.up()?.ping().await
    }

    async fn now(&self) -> CatalogResult<Timestamp> {
        self.up()?.now().await
    }

    async fn config(&self) -> CatalogResult<Option<ConfigRow>> {
        self.up()?.config().await
    }

    async fn create_element(&self, element: &NewElement) -> CatalogResult<()> {
        self.up()?.create_element(element).await
    }

    async fn begin_term(&self, term: &NewTerm) -> CatalogResult<bool> {
        self.up()?.begin_term(term).await
    }

    async fn roll_back(&self, term: Term, tx: TransactionId, reason: &str) -> CatalogResult<CommitVerdict> {
        self.up()?.roll_back(term, tx, reason).await
    }

    async fn fail(&self, term: Term, tx: TransactionId, reason: &str) -> CatalogResult<CommitVerdict> {
        self.up()?.fail(term, tx, reason).await
    }

    async fn wal(&self, query: &WalQuery) -> CatalogResult<Vec<WalRow>> {
        self.up()?.wal(query).await
    }

    async fn wal_row(&self, tx: TransactionId) -> CatalogResult<Option<WalRow>> {
        self.up()?.wal_row(tx).await
    }

    async fn wal_pending(&self) -> CatalogResult<WalPending> {
        self.up()?.wal_pending().await
    }

    async fn blocked_by(&self, file_id: Uuid) -> CatalogResult<Option<TransactionId>> {
        self.up()?.blocked_by(file_id).await
    }

    async fn file(&self, file_id: Uuid) -> CatalogResult<Option<FileRow>> {
        self.up()?.file(file_id).await
    }

    async fn file_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<FileRow>> {
        let found = self.up()?.file_by_key(created_by_id, key).await;
        self.key_looked().await;
        found
    }

    async fn open_transaction_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<TransactionId>> {
        let found = self.up()?.open_transaction_by_key(created_by_id, key).await;
        self.key_looked().await;
        found
    }

    async fn list(&self, query: &FileQuery) -> CatalogResult<Page> {
        self.up()?.list(query).await
    }

    async fn totals(&self) -> CatalogResult<Totals> {
        self.up()?.totals().await
    }

    async fn highest_file_id(&self) -> CatalogResult<Option<Uuid>> {
        self.up()?.highest_file_id().await
    }

    async fn rebuild_batch(&self, term: Term, mark: Uuid, rows: Vec<FileRow>) -> CatalogResult<bool> {
        self.up()?.rebuild_batch(term, mark, rows).await
    }

    async fn unmarked(&self, mark: Uuid, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        self.up()?.unmarked(mark, after, limit).await
    }

    async fn correct(&self, term: Term, file_id: Uuid, row: Option<FileRow>) -> CatalogResult<bool> {
        self.up()?.correct(term, file_id, row).await
    }

    async fn refresh(&self, row: FileRow) -> CatalogResult<()> {
        self.up()?.refresh(row).await
    }

    async fn end_rebuild(&self, term: Term, row: WalRow) -> CatalogResult<bool> {
        self.up()?.end_rebuild(term, row).await
    }

    async fn rows_after(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        self.up()?.rows_after(after, limit).await
    }

    async fn files(&self, ids: &[Uuid]) -> CatalogResult<Vec<FileRow>> {
        self.up()?.files(ids).await
    }

    async fn prepare(&self, guard: RowGuard, change: &Transition, seconds: u32) -> CatalogResult<TransitionVerdict> {
        self.up()?.prepare(guard, change, seconds).await
    }

    async fn may_commit(&self, guard: RowGuard, transition: &Transition) -> CatalogResult<TransitionVerdict> {
        self.up()?.may_commit(guard, transition).await
    }

    async fn commit_mode(&self, guard: RowGuard, change: &ModeChange) -> CatalogResult<TransitionVerdict> {
        self.up()?.commit_mode(guard, change).await
    }

    async fn abort(&self, guard: RowGuard, transition_id: &str) -> CatalogResult<TransitionVerdict> {
        self.up()?.abort(guard, transition_id).await
    }

    async fn start_job(&self, job: &JobRow) -> CatalogResult<bool> {
        self.up()?.start_job(job).await
    }

    async fn update_job(&self, job: &JobRow) -> CatalogResult<bool> {
        self.up()?.update_job(job).await
    }

    async fn interrupt_jobs(&self, node: Option<&str>) -> CatalogResult<u64> {
        self.up()?.interrupt_jobs(node).await
    }

    async fn jobs(&self, limit: u32) -> CatalogResult<Vec<JobRow>> {
        self.up()?.jobs(limit).await
    }

    async fn job(&self, job_id: Uuid) -> CatalogResult<Option<JobRow>> {
        self.up()?.job(job_id).await
    }

    async fn active_before(&self, to: Timestamp, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        self.up()?.active_before(to, after, limit).await
    }

    async fn deleted(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        self.up()?.deleted(after, limit).await
    }

    async fn purge_wal(&self, term: Term, before: Timestamp, limit: u32) -> CatalogResult<u64> {
        self.up()?.purge_wal(term, before, limit).await
    }

    async fn retention(&self) -> CatalogResult<RetentionSummary> {
        self.up()?.retention().await
    }

    fn counters(&self) -> CatalogCounters {
        self.inner.counters()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
