//! Reading rows of files by what names them.

use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqlitePool};
use uuid::Uuid;

use super::error::said;
use super::rows::{self, hex_array};
use crate::catalog::CatalogResult;
use crate::model::FileRow;

const ACTION: &str = "read a file's row";

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

async fn one(pool: &SqlitePool, query: Query<'_>) -> CatalogResult<Option<FileRow>> {
    let row = query.fetch_optional(pool).await.map_err(said(ACTION))?;
    row.as_ref().map(rows::read).transpose()
}

async fn many(pool: &SqlitePool, query: Query<'_>) -> CatalogResult<Vec<FileRow>> {
    let found = query.fetch_all(pool).await.map_err(said(ACTION))?;
    found.iter().map(rows::read).collect()
}

/// The file with this id.
pub(super) async fn by_id(pool: &SqlitePool, file_id: Uuid) -> CatalogResult<Option<FileRow>> {
    const SQL: &str = "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f WHERE f.file_id = ?1";
    one(pool, sqlx::query(SQL).bind(file_id.as_bytes().to_vec())).await
}

/// The files with these ids, each once.
pub(super) async fn by_ids(pool: &SqlitePool, ids: &[Uuid]) -> CatalogResult<Vec<FileRow>> {
    const SQL: &str = "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f \
         WHERE f.file_id IN (SELECT unhex(value) FROM json_each(?1))";
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    many(pool, sqlx::query(SQL).bind(hex_array(ids.iter().copied()))).await
}

/// The file with this idempotency key of this sender.
pub(super) async fn by_key(pool: &SqlitePool, created_by_id: &str, key: &str) -> CatalogResult<Option<FileRow>> {
    const SQL: &str = "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f \
         WHERE f.created_by_id = ?1 AND f.idempotency_key = ?2";
    one(pool, sqlx::query(SQL).bind(created_by_id.to_owned()).bind(key.to_owned())).await
}

/// Files by id.
pub(super) async fn after(pool: &SqlitePool, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
    const SQL: &str = "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f \
         WHERE f.file_id > ?1 ORDER BY f.file_id LIMIT ?2";
    let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    many(pool, sqlx::query(SQL).bind(after).bind(i64::from(limit))).await
}

/// Files that a rebuild has not marked, by id.
pub(super) async fn unmarked(
    pool: &SqlitePool,
    mark: Uuid,
    after: Option<Uuid>,
    limit: u32,
) -> CatalogResult<Vec<FileRow>> {
    const SQL: &str = "SELECT f.attr, f.cached_at, f.damaged, f.blocked_by FROM files AS f \
         WHERE f.file_id > ?1 AND NOT EXISTS \
         (SELECT 1 FROM rebuild_marks AS m WHERE m.file_id = f.file_id AND m.mark = ?2) \
         ORDER BY f.file_id LIMIT ?3";
    let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    many(pool, sqlx::query(SQL).bind(after).bind(mark.as_bytes().to_vec()).bind(i64::from(limit))).await
}

/// The highest id of a file, or of one that was announced.
pub(super) async fn highest_id(pool: &SqlitePool) -> CatalogResult<Option<Uuid>> {
    let row = sqlx::query(
        "SELECT nullif(max(coalesce((SELECT max(file_id) FROM files), x''), \
         coalesce((SELECT max(file_id) FROM wal), x'')), x'') AS highest",
    )
    .fetch_one(pool)
    .await
    .map_err(said("find the highest file id"))?;
    rows::optional_uuid(&row, "highest")
}
