//! The catalog's trait on SQLite.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use uuid::Uuid;

use super::closing::{Closing, End};
use super::error::said;
use super::intents::PreparedIntent;
use super::rebuild::{self, Seen};
use super::request::{Act, Durability, Request};
use super::rows::PreparedRow;
use super::{SqliteCatalog, config, files, jobs, list, log, retention, schema, totals, transitions};
use crate::catalog::{
    Catalog, CatalogCounters, CatalogResult, Commit, CommitVerdict, ConfigRow, IntentVerdict, JobRow, JobState,
    ModeChange, NewElement, NewTerm, RetentionSummary, RowGuard, Transition, TransitionVerdict, WalPending, WalQuery,
};
use crate::model::{FileQuery, FileRow, Page, Term, Timestamp, Totals, TransactionId, WalRow};

impl SqliteCatalog {
    async fn close_transaction(&self, closing: Closing) -> CatalogResult<CommitVerdict> {
        self.ask(|reply| Request::Close(closing, reply)).await
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn migrate(&self) -> CatalogResult<()> {
        self.ask(|reply| {
            // Migrations bring their own transactions.
            let act = Act::new(Durability::Durable, true, |conn| Box::pin(schema::migrate(conn)), reply);
            Request::Alone(Box::new(act))
        })
        .await
    }

    async fn check_schema(&self) -> CatalogResult<()> {
        let mut conn = self.read()?.acquire().await.map_err(said("read the schema's version"))?;
        schema::check(&mut conn).await
    }

    async fn ping(&self) -> CatalogResult<()> {
        let pool = self.read()?;
        sqlx::query("SELECT epoch FROM config").fetch_optional(&pool).await.map(drop).map_err(said("answer"))
    }

    async fn now(&self) -> CatalogResult<Timestamp> {
        // SQLite runs in this process: its clock is this machine's.
        Ok(Timestamp::now())
    }

    async fn config(&self) -> CatalogResult<Option<ConfigRow>> {
        let mut conn = self.read()?.acquire().await.map_err(said("read the element's row"))?;
        config::read(&mut conn).await
    }

    async fn create_element(&self, element: &NewElement) -> CatalogResult<()> {
        let element = element.clone();
        self.act(Durability::Durable, move |conn| Box::pin(async move { config::create(conn, &element).await })).await
    }

    async fn end_other_sessions(&self, _element_id: Uuid) -> CatalogResult<()> {
        // Its locks are those of a process, and the lock of the element has shown that the other one is gone.
        Ok(())
    }

    async fn begin_term(&self, term: &NewTerm) -> CatalogResult<bool> {
        let term = term.clone();
        self.act(Durability::Durable, move |conn| Box::pin(async move { config::begin_term(conn, &term).await })).await
    }

    async fn intent(&self, term: Term, row: WalRow) -> CatalogResult<IntentVerdict> {
        let intent = PreparedIntent::new(term, &row)?;
        self.ask(|reply| Request::Intent(intent, reply)).await
    }

    async fn commit(&self, term: Term, commit: Commit) -> CatalogResult<CommitVerdict> {
        let row = Box::new(PreparedRow::new(&commit.row)?);
        let end = End::Committed { row, duration_ms: commit.duration_ms };
        self.close_transaction(Closing { term, transaction_id: commit.transaction_id, end }).await
    }

    async fn roll_back(&self, term: Term, transaction_id: TransactionId, reason: &str) -> CatalogResult<CommitVerdict> {
        self.close_transaction(Closing { term, transaction_id, end: End::RolledBack(reason.to_owned()) }).await
    }

    async fn fail(&self, term: Term, transaction_id: TransactionId, reason: &str) -> CatalogResult<CommitVerdict> {
        self.close_transaction(Closing { term, transaction_id, end: End::Failed(reason.to_owned()) }).await
    }

    async fn wal(&self, query: &WalQuery) -> CatalogResult<Vec<WalRow>> {
        log::page(&self.read()?, query).await
    }

    async fn wal_row(&self, transaction_id: TransactionId) -> CatalogResult<Option<WalRow>> {
        log::row(&self.read()?, transaction_id).await
    }

    async fn wal_pending(&self) -> CatalogResult<WalPending> {
        log::pending(&self.read()?).await
    }

    async fn blocked_by(&self, file_id: Uuid) -> CatalogResult<Option<TransactionId>> {
        log::blocked_by(&self.read()?, file_id).await
    }

    async fn file(&self, file_id: Uuid) -> CatalogResult<Option<FileRow>> {
        if let Some(row) = self.remembered.get(file_id) {
            return Ok(Some(row));
        }
        let looked = self.remembered.look(file_id);
        let row = files::by_id(&self.read()?, file_id).await?;
        if let Some(row) = &row {
            self.remembered.remember(looked, row);
        }
        Ok(row)
    }

    async fn files(&self, ids: &[Uuid]) -> CatalogResult<Vec<FileRow>> {
        files::by_ids(&self.read()?, ids).await
    }

    async fn file_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<FileRow>> {
        files::by_key(&self.read()?, created_by_id, key).await
    }

    async fn open_transaction_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<TransactionId>> {
        log::open_by_key(&self.read()?, created_by_id, key).await
    }

    async fn list(&self, query: &FileQuery) -> CatalogResult<Page> {
        list::page(&self.read()?, query).await
    }

    async fn totals(&self) -> CatalogResult<Totals> {
        totals::read(&self.read()?).await
    }

    async fn highest_file_id(&self) -> CatalogResult<Option<Uuid>> {
        files::highest_id(&self.read()?).await
    }

    async fn rebuild_batch(&self, term: Term, mark: Uuid, rows: Vec<FileRow>) -> CatalogResult<bool> {
        let batch = rows.iter().map(Seen::new).collect::<CatalogResult<Vec<_>>>()?;
        self.act(Durability::MayLag, move |conn| {
            Box::pin(async move { rebuild::batch(conn, term, mark, &batch).await })
        })
        .await
    }

    async fn unmarked(&self, mark: Uuid, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        files::unmarked(&self.read()?, mark, after, limit).await
    }

    async fn correct(&self, term: Term, file_id: Uuid, row: Option<FileRow>) -> CatalogResult<bool> {
        let row = row.as_ref().map(PreparedRow::new).transpose()?;
        self.act(Durability::MayLag, move |conn| {
            Box::pin(async move { rebuild::correct(conn, term, file_id, row.as_ref()).await })
        })
        .await
    }

    async fn refresh(&self, row: FileRow) -> CatalogResult<()> {
        let row = PreparedRow::new(&row)?;
        self.act(Durability::MayLag, move |conn| Box::pin(async move { rebuild::refresh(conn, &row).await })).await
    }

    async fn end_rebuild(&self, term: Term, row: WalRow) -> CatalogResult<bool> {
        self.act(Durability::Durable, move |conn| Box::pin(async move { rebuild::end(conn, term, &row).await })).await
    }

    async fn prepare(
        &self,
        guard: RowGuard,
        transition: &Transition,
        hold_seconds: u32,
    ) -> CatalogResult<TransitionVerdict> {
        let transition = transition.clone();
        self.act(Durability::Durable, move |conn| {
            Box::pin(async move { transitions::prepare(conn, guard, &transition, hold_seconds).await })
        })
        .await
    }

    async fn may_commit(&self, guard: RowGuard, transition: &Transition) -> CatalogResult<TransitionVerdict> {
        transitions::may_commit(&self.read()?, guard, transition).await
    }

    async fn commit_mode(&self, guard: RowGuard, change: &ModeChange) -> CatalogResult<TransitionVerdict> {
        let change = change.clone();
        self.act(Durability::Durable, move |conn| {
            Box::pin(async move { transitions::commit(conn, guard, &change).await })
        })
        .await
    }

    async fn abort(&self, guard: RowGuard, transition_id: &str) -> CatalogResult<TransitionVerdict> {
        let id = transition_id.to_owned();
        self.act(Durability::Durable, move |conn| Box::pin(async move { transitions::abort(conn, guard, &id).await }))
            .await
    }

    async fn start_job(&self, job: &JobRow) -> CatalogResult<bool> {
        let job = job.clone();
        self.act(Durability::Durable, move |conn| Box::pin(async move { jobs::start(conn, &job).await })).await
    }

    async fn update_job(&self, job: &JobRow) -> CatalogResult<bool> {
        let job = job.clone();
        let durability = if job.state == JobState::Running { Durability::MayLag } else { Durability::Durable };
        self.act(durability, move |conn| Box::pin(async move { jobs::update(conn, &job).await })).await
    }

    async fn interrupt_jobs(&self, node: Option<&str>) -> CatalogResult<u64> {
        let node = node.map(str::to_owned);
        self.act(Durability::Durable, move |conn| Box::pin(async move { jobs::interrupt(conn, node.as_deref()).await }))
            .await
    }

    async fn jobs(&self, limit: u32) -> CatalogResult<Vec<JobRow>> {
        jobs::latest(&self.read()?, limit).await
    }

    async fn job(&self, job_id: Uuid) -> CatalogResult<Option<JobRow>> {
        jobs::one(&self.read()?, job_id).await
    }

    async fn active_before(
        &self,
        created_to: Timestamp,
        after: Option<Uuid>,
        limit: u32,
    ) -> CatalogResult<Vec<FileRow>> {
        retention::active_before(&self.read()?, created_to, after, limit).await
    }

    async fn deleted(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        retention::deleted(&self.read()?, after, limit).await
    }

    async fn purge_wal(&self, term: Term, before: Timestamp, limit: u32) -> CatalogResult<u64> {
        self.act(Durability::MayLag, move |conn| {
            Box::pin(async move { retention::purge_log(conn, term, before, limit).await })
        })
        .await
    }

    async fn retention(&self) -> CatalogResult<RetentionSummary> {
        retention::summary(&self.read()?).await
    }

    async fn rows_after(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        files::after(&self.read()?, after, limit).await
    }

    fn counters(&self) -> CatalogCounters {
        let readers = self.readers.load();
        let idle = u64::try_from(readers.pool.num_idle()).unwrap_or(0);
        CatalogCounters {
            transactions: self.transactions.load(Ordering::Relaxed),
            connections_used: u64::from(readers.pool.size()).saturating_sub(idle),
            connections_idle: idle,
        }
    }

    async fn close(&self) {
        drop(self.requests.lock().take());
        let readers = self.readers.load_full();
        readers.pool.close().await;
        let writer = self.writer.lock().take();
        if let Some(writer) = writer {
            // It can only have been cancelled with the runtime, and then nothing is left to wait for.
            let _ = writer.await;
        }
    }
}
