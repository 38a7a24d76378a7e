//! The catalog's trait on PostgreSQL.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use uuid::Uuid;

use super::closing::{Closing, End};
use super::error::said;
use super::intents::PreparedIntent;
use super::rebuild::{self, Seen};
use super::request::{Announce, Request};
use super::rows::PreparedRow;
use super::server::Purpose;
use super::session;
use super::{PostgresCatalog, changes, config, files, jobs, list, log, retention, schema, totals, transitions};
use crate::catalog::{
    Catalog, CatalogCounters, CatalogResult, Commit, CommitVerdict, ConfigRow, IntentVerdict, JobRow, ModeChange,
    NewElement, NewTerm, RetentionSummary, RowGuard, Transition, TransitionVerdict, WalPending, WalQuery,
};
use crate::model::{FileQuery, FileRow, Page, Term, Timestamp, Totals, TransactionId, WalRow};

const READ: &str = "be read";

/// Does what changes the singleton row, and tells those that follow it, in one transaction.
macro_rules! told {
    ($conn:ident, $work:expr) => {{
        let done = $work.await?;
        changes::tell($conn).await?;
        Ok(done)
    }};
}

impl PostgresCatalog {
    async fn close_transaction(&self, closing: Closing) -> CatalogResult<CommitVerdict> {
        self.ask(&self.requests, |reply| Request::Close(closing, reply)).await
    }
}

#[async_trait]
impl Catalog for PostgresCatalog {
    async fn migrate(&self) -> CatalogResult<()> {
        let schema = self.server.options.schema.clone();
        self.act(move |conn| Box::pin(async move { schema::migrate(conn, &schema).await })).await
    }

    async fn check_schema(&self) -> CatalogResult<()> {
        schema::check(&mut *self.read(READ).await?, &self.server.options.schema).await
    }

    async fn ping(&self) -> CatalogResult<()> {
        let mut conn = self.read("answer").await?;
        sqlx::query("SELECT epoch FROM config").fetch_optional(&mut *conn).await.map(drop).map_err(said("answer"))
    }

    async fn now(&self) -> CatalogResult<Timestamp> {
        config::now(&mut *self.read(READ).await?).await
    }

    async fn config(&self) -> CatalogResult<Option<ConfigRow>> {
        let row = config::read(&mut *self.read(READ).await?).await?;
        // An element that did not exist when this process started: from now on its sessions are called after it.
        if let Some(row) = row.as_ref().filter(|_| self.server.element().is_none()) {
            self.server.name_element(row.element_id);
            self.readers.set_connect_options(self.server.reading());
        }
        Ok(row)
    }

    async fn create_element(&self, element: &NewElement) -> CatalogResult<()> {
        let element = element.clone();
        self.act(move |conn| Box::pin(async move { told!(conn, config::create(conn, &element)) })).await
    }

    async fn end_other_sessions(&self, element_id: Uuid) -> CatalogResult<()> {
        if self.server.pooled() {
            return Ok(());
        }
        self.server.name_element(element_id);
        self.readers.set_connect_options(self.server.reading());
        let own = self.server.names().of(Purpose::Write);
        let ended =
            self.act(move |conn| Box::pin(async move { session::end_others(conn, element_id, &own).await })).await?;
        if ended > 0 {
            tracing::info!(ended, "database sessions of an older term have been ended");
        }
        Ok(())
    }

    async fn begin_term(&self, term: &NewTerm) -> CatalogResult<bool> {
        let (asked, pooled) = (term.clone(), self.server.pooled());
        let begun =
            self.act(move |conn| Box::pin(async move { told!(conn, config::begin_term(conn, &asked)) })).await?;
        let element = if begun { self.config().await?.map(|row| row.element_id) } else { None };
        let Some(element_id) = element else { return Ok(begun) };
        let names = self.server.names().of_term(element_id, term.term);
        let own = names.of(Purpose::Write);
        // From here on whatever writes does so in the name of this term.
        self.server.call(names);
        if !pooled {
            // An older master may have come back between the end of its sessions and this. What it then began it began
            // before the epoch rose, and nothing later passes.
            self.act(move |conn| Box::pin(async move { session::end_others(conn, element_id, &own).await })).await?;
        }
        Ok(begun)
    }

    fn end_term(&self) {
        self.server.call(self.server.names().of_no_term());
    }

    async fn changed(&self) {
        self.changes.next(&self.server).await;
    }

    async fn intent(&self, term: Term, row: WalRow) -> CatalogResult<IntentVerdict> {
        let intent = PreparedIntent::new(term, &row)?;
        self.ask(&self.intents, |reply| Announce(intent, reply)).await
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
        log::page(&mut *self.read(READ).await?, query).await
    }

    async fn wal_row(&self, transaction_id: TransactionId) -> CatalogResult<Option<WalRow>> {
        log::row(&mut *self.read(READ).await?, transaction_id).await
    }

    async fn wal_pending(&self) -> CatalogResult<WalPending> {
        log::pending(&mut *self.read(READ).await?).await
    }

    async fn blocked_by(&self, file_id: Uuid) -> CatalogResult<Option<TransactionId>> {
        log::blocked_by(&mut *self.read(READ).await?, file_id).await
    }

    async fn file(&self, file_id: Uuid) -> CatalogResult<Option<FileRow>> {
        files::by_id(&mut *self.read(READ).await?, file_id).await
    }

    async fn files(&self, ids: &[Uuid]) -> CatalogResult<Vec<FileRow>> {
        files::by_ids(&mut *self.read(READ).await?, ids).await
    }

    async fn file_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<FileRow>> {
        files::by_key(&mut *self.read(READ).await?, created_by_id, key).await
    }

    async fn open_transaction_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<TransactionId>> {
        log::open_by_key(&mut *self.read(READ).await?, created_by_id, key).await
    }

    async fn list(&self, query: &FileQuery) -> CatalogResult<Page> {
        list::page(&mut *self.read(READ).await?, query).await
    }

    async fn totals(&self) -> CatalogResult<Totals> {
        totals::read(&mut *self.read(READ).await?).await
    }

    async fn highest_file_id(&self) -> CatalogResult<Option<Uuid>> {
        files::highest_id(&mut *self.read(READ).await?).await
    }

    async fn rebuild_batch(&self, term: Term, mark: Uuid, rows: Vec<FileRow>) -> CatalogResult<bool> {
        let batch = rows.iter().map(Seen::new).collect::<CatalogResult<Vec<_>>>()?;
        self.act(move |conn| Box::pin(async move { rebuild::batch(conn, term, mark, &batch).await })).await
    }

    async fn unmarked(&self, mark: Uuid, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        files::unmarked(&mut *self.read(READ).await?, mark, after, limit).await
    }

    async fn correct(&self, term: Term, file_id: Uuid, row: Option<FileRow>) -> CatalogResult<bool> {
        let row = row.as_ref().map(PreparedRow::new).transpose()?;
        self.act(move |conn| Box::pin(async move { rebuild::correct(conn, term, file_id, row.as_ref()).await })).await
    }

    async fn refresh(&self, row: FileRow) -> CatalogResult<()> {
        let row = PreparedRow::new(&row)?;
        self.act(move |conn| Box::pin(async move { rebuild::refresh(conn, &row).await })).await
    }

    async fn end_rebuild(&self, term: Term, row: WalRow) -> CatalogResult<bool> {
        self.act(move |conn| Box::pin(async move { told!(conn, rebuild::end(conn, term, &row)) })).await
    }

    async fn prepare(
        &self,
        guard: RowGuard,
        transition: &Transition,
        hold_seconds: u32,
    ) -> CatalogResult<TransitionVerdict> {
        let transition = transition.clone();
        self.act(move |conn| {
            Box::pin(async move { told!(conn, transitions::prepare(conn, guard, &transition, hold_seconds)) })
        })
        .await
    }

    async fn may_commit(&self, guard: RowGuard, transition: &Transition) -> CatalogResult<TransitionVerdict> {
        transitions::may_commit(&mut *self.read(READ).await?, guard, transition).await
    }

    async fn commit_mode(&self, guard: RowGuard, change: &ModeChange) -> CatalogResult<TransitionVerdict> {
        let change = change.clone();
        self.act(move |conn| Box::pin(async move { told!(conn, transitions::commit(conn, guard, &change)) })).await
    }

    async fn abort(&self, guard: RowGuard, transition_id: &str) -> CatalogResult<TransitionVerdict> {
        let id = transition_id.to_owned();
        self.act(move |conn| Box::pin(async move { told!(conn, transitions::abort(conn, guard, &id)) })).await
    }

    async fn start_job(&self, job: &JobRow) -> CatalogResult<bool> {
        let job = job.clone();
        self.act(move |conn| Box::pin(async move { jobs::start(conn, &job).await })).await
    }

    async fn update_job(&self, job: &JobRow) -> CatalogResult<bool> {
        let job = job.clone();
        self.act(move |conn| Box::pin(async move { jobs::update(conn, &job).await })).await
    }

    async fn interrupt_jobs(&self, node: Option<&str>) -> CatalogResult<u64> {
        let node = node.map(str::to_owned);
        self.act(move |conn| Box::pin(async move { jobs::interrupt(conn, node.as_deref()).await })).await
    }

    async fn jobs(&self, limit: u32) -> CatalogResult<Vec<JobRow>> {
        jobs::latest(&mut *self.read(READ).await?, limit).await
    }

    async fn job(&self, job_id: Uuid) -> CatalogResult<Option<JobRow>> {
        jobs::one(&mut *self.read(READ).await?, job_id).await
    }

    async fn active_before(
        &self,
        created_to: Timestamp,
        after: Option<Uuid>,
        limit: u32,
    ) -> CatalogResult<Vec<FileRow>> {
        retention::active_before(&mut *self.read(READ).await?, created_to, after, limit).await
    }

    async fn deleted(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        retention::deleted(&mut *self.read(READ).await?, after, limit).await
    }

    async fn purge_wal(&self, term: Term, before: Timestamp, limit: u32) -> CatalogResult<u64> {
        self.act(move |conn| Box::pin(async move { retention::purge_log(conn, term, before, limit).await })).await
    }

    async fn retention(&self) -> CatalogResult<RetentionSummary> {
        retention::summary(&mut *self.read(READ).await?).await
    }

    async fn rows_after(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        files::after(&mut *self.read(READ).await?, after, limit).await
    }

    fn counters(&self) -> CatalogCounters {
        let idle = u64::try_from(self.readers.num_idle()).unwrap_or(0);
        CatalogCounters {
            transactions: self.transactions.load(Ordering::Relaxed),
            connections_used: u64::from(self.readers.size()).saturating_sub(idle),
            connections_idle: idle,
        }
    }

    async fn close(&self) {
        drop(self.intents.lock().take());
        drop(self.requests.lock().take());
        self.readers.close().await;
        let lanes = std::mem::take(&mut *self.lanes.lock());
        for lane in lanes {
            // It can only have been cancelled with the runtime, and then nothing is left to wait for.
            let _ = lane.await;
        }
    }
}
