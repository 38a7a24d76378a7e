//! The catalog's trait on SQLite.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use sqlx::SqlitePool;
use uuid::Uuid;

use super::closing::{Closing, End};
use super::error::said;
use super::intents::PreparedIntent;
use super::rebuild::{self, Seen};
use super::request::{Act, Durability, Request};
use super::rows::{self, PreparedRow};
use super::{SqliteCatalog, config, list, log, schema, totals};
use crate::catalog::{
    Catalog, CatalogCounters, CatalogResult, Commit, CommitVerdict, ConfigRow, IntentVerdict, NewElement, NewTerm,
    WalPending, WalQuery,
};
use crate::model::{FileQuery, FileRow, Page, Term, Timestamp, Totals, TransactionId, WalRow};

impl SqliteCatalog {
    async fn close_transaction(&self, closing: Closing) -> CatalogResult<CommitVerdict> {
        self.ask(|reply| Request::Close(closing, reply)).await
    }
}

async fn one_file(
    pool: &SqlitePool,
    query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
) -> CatalogResult<Option<FileRow>> {
    let row = query.fetch_optional(pool).await.map_err(said("read a file's row"))?;
    row.as_ref().map(rows::read).transpose()
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn prepare(
        &self,
        _: crate::catalog::RowGuard,
        _: &crate::catalog::Transition,
        _: u32,
    ) -> CatalogResult<crate::catalog::TransitionVerdict> {
        unimplemented!()
    }
    async fn may_commit(
        &self,
        _: crate::catalog::RowGuard,
        _: &crate::catalog::Transition,
    ) -> CatalogResult<crate::catalog::TransitionVerdict> {
        unimplemented!()
    }
    async fn commit_mode(
        &self,
        _: crate::catalog::RowGuard,
        _: &crate::catalog::ModeChange,
    ) -> CatalogResult<crate::catalog::TransitionVerdict> {
        unimplemented!()
    }
    async fn abort(&self, _: crate::catalog::RowGuard, _: &str) -> CatalogResult<crate::catalog::TransitionVerdict> {
        unimplemented!()
    }
    async fn start_job(&self, _: &crate::catalog::JobRow) -> CatalogResult<bool> {
        unimplemented!()
    }
    async fn update_job(&self, _: &crate::catalog::JobRow) -> CatalogResult<bool> {
        unimplemented!()
    }
    async fn interrupt_jobs(&self, _: Option<&str>) -> CatalogResult<u64> {
        unimplemented!()
    }
    async fn jobs(&self, _: u32) -> CatalogResult<Vec<crate::catalog::JobRow>> {
        unimplemented!()
    }
    async fn job(&self, _: Uuid) -> CatalogResult<Option<crate::catalog::JobRow>> {
        unimplemented!()
    }
    async fn active_before(&self, _: Timestamp, _: Option<Uuid>, _: u32) -> CatalogResult<Vec<FileRow>> {
        unimplemented!()
    }
    async fn deleted(&self, _: Option<Uuid>, _: u32) -> CatalogResult<Vec<FileRow>> {
        unimplemented!()
    }
    async fn purge_wal(&self, _: Term, _: Timestamp, _: u32) -> CatalogResult<u64> {
        unimplemented!()
    }
    async fn retention(&self) -> CatalogResult<crate::catalog::RetentionSummary> {
        unimplemented!()
    }

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
        const SQL: &str = "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f WHERE f.file_id = ?1";
        one_file(&self.read()?, sqlx::query(SQL).bind(file_id.as_bytes().to_vec())).await
    }

    async fn file_by_key(&self, created_by_id: &str, key: &str) -> CatalogResult<Option<FileRow>> {
        const SQL: &str = "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f \
             WHERE f.created_by_id = ?1 AND f.idempotency_key = ?2";
        one_file(&self.read()?, sqlx::query(SQL).bind(created_by_id.to_owned()).bind(key.to_owned())).await
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
        let row = sqlx::query(
            "SELECT nullif(max(coalesce((SELECT max(file_id) FROM files), x''), \
             coalesce((SELECT max(file_id) FROM wal), x'')), x'') AS highest",
        )
        .fetch_one(&self.read()?)
        .await
        .map_err(said("find the highest file id"))?;
        rows::optional_uuid(&row, "highest")
    }

    async fn rebuild_batch(&self, term: Term, mark: Uuid, rows: Vec<FileRow>) -> CatalogResult<bool> {
        let batch = rows.iter().map(Seen::new).collect::<CatalogResult<Vec<_>>>()?;
        self.act(Durability::MayLag, move |conn| {
            Box::pin(async move { rebuild::batch(conn, term, mark, &batch).await })
        })
        .await
    }

    async fn unmarked(&self, mark: Uuid, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        let found = sqlx::query(
            "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f \
             WHERE f.file_id > ?1 AND NOT EXISTS \
             (SELECT 1 FROM rebuild_marks AS m WHERE m.file_id = f.file_id AND m.mark = ?2) \
             ORDER BY f.file_id LIMIT ?3",
        )
        .bind(after.map(|id| id.as_bytes().to_vec()).unwrap_or_default())
        .bind(mark.as_bytes().as_slice())
        .bind(i64::from(limit))
        .fetch_all(&self.read()?)
        .await
        .map_err(said("find files without a mark"))?;
        found.iter().map(rows::read).collect()
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

    async fn rows_after(&self, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
        let found = sqlx::query(
            "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f \
             WHERE f.file_id > ?1 ORDER BY f.file_id LIMIT ?2",
        )
        .bind(after.map(|id| id.as_bytes().to_vec()).unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(&self.read()?)
        .await
        .map_err(said("read rows"))?;
        found.iter().map(rows::read).collect()
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
