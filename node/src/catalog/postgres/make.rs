//! The catalog's trait on PostgreSQL.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use uuid::Uuid;

use super::closing::{Closing, End};
use super::error::said;
use super::intents::PreparedIntent;
use super::reading::{self, on_reader};
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
        on_reader!(self, reading::ANY, |conn| schema::check(conn, &self.server.options.schema))
    }

    async fn ping(&self) -> CatalogResult<()> {
        on_reader!(self, reading::SIGN_OF_LIFE, |conn| async {
            let found = sqlx::query("SELECT epoch FROM config").fetch_optional(conn).await;
            found.map(drop).map_err(said("answer"))
        })
    }

    async fn now(&self) -> CatalogResult<Timestamp> {
        on_reader!(self, reading::ANY, |conn| config::now(conn))
    }

    async fn config(&self) -> CatalogResult<Option<ConfigRow>> {
        let row = on_reader!(self, reading::ANY, |conn| config::read(conn))?;
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
        on_reader!(self, reading::ANY, |conn| log::page(conn, query))
    }

    async fn wal_row(&self, transaction_id: TransactionId) -> CatalogResult<Option<WalRow>> {
        on_reader!(self, reading::ANY, |conn| log::row(conn, transaction_id))
    }

    async fn wal_pending(&self) -> CatalogResult<WalPending> {
        on_reader!(self, reading::ANY, |conn| log::pending(conn))
    }

    async fn blocked_by(&self, file_id: Uuid) -> CatalogResult<Option<TransactionId>> {
        on_reader!(self, reading::ONE_FILE, |conn| log::blocked_by(conn, file_id))
    }

    async fn file(&self, file_id: Uuid) -> CatalogResult<Option<FileRow>> {
        on_reader!(self, reading::ONE_FILE, |conn| files::by_id(conn, file_id))
    }

    async fn files(&self, ids: &[Uuid]) -> CatalogResult<Vec<FileRow>> {
        on_reader!(self, reading::ANY, |conn| files::by_ids(conn, ids))
    }

    async fn file_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<FileRow>> {
        on_reader!(self, reading::ANY, |conn| files::by_key(conn, created_by_id, key))
    }

    async fn open_transaction_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<TransactionId>> {
        on_reader!(self, reading::ANY, |conn| log::open_by_key(conn, created_by_id, key))
    }

    async fn list(&self, query: &FileQuery) -> CatalogResult<Page> {
        on_reader!(self, reading::ANY, |conn| list::page(conn, query))
    }

    async fn totals(&self) -> CatalogResult<Totals> {
        on_reader!(self, reading::ANY, |conn| totals::read(conn))
    }

    async fn highest_file_id(&self) -> CatalogResult<Option<Uuid>> {
        on_reader!(self, reading::ANY, |conn| files::highest_id(conn))
    }

    async fn rebuild_batch(&self, term: Term, mark: Uuid, rows: Vec<FileRow>) -> CatalogResult<bool> {
        let batch = rows.iter().map(Seen::new).collect::<CatalogResult<Vec<_>>>()?;
        self.act(move |conn| Box::pin(async move { rebuild::batch(conn, term, mark, &batch).await })).await
    }

    async fn unmarked(&self, mark: Uuid, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        on_reader!(self, reading::ANY, |conn| files::unmarked(conn, mark, after, limit))
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
        on_reader!(self, reading::ANY, |conn| transitions::may_commit(conn, guard, transition))
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
        on_reader!(self, reading::ANY, |conn| jobs::latest(conn, limit))
    }

    async fn job(&self, job_id: Uuid) -> CatalogResult<Option<JobRow>> {
        on_reader!(self, reading::ANY, |conn| jobs::one(conn, job_id))
    }

    async fn active_before(
        &self,
        created_to: Timestamp,
        after: Option<Uuid>,
        limit: u32,
    ) -> CatalogResult<Vec<FileRow>> {
        on_reader!(self, reading::ANY, |conn| retention::active_before(conn, created_to, after, limit))
    }

    async fn deleted(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        on_reader!(self, reading::ANY, |conn| retention::deleted(conn, after, limit))
    }

    async fn purge_wal(&self, term: Term, before: Timestamp, limit: u32) -> CatalogResult<u64> {
        self.act(move |conn| Box::pin(async move { retention::purge_log(conn, term, before, limit).await })).await
    }

    async fn retention(&self) -> CatalogResult<RetentionSummary> {
        on_reader!(self, reading::ANY, |conn| retention::summary(conn))
    }

    async fn rows_after(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        on_reader!(self, reading::ANY, |conn| files::after(conn, after, limit))
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
