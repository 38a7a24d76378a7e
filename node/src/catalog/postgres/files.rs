//! Reading rows of files by what names them.

use sqlx::postgres::PgArguments;
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use super::error::said;
use super::rows::{self, columns};
use crate::catalog::CatalogResult;
use crate::model::FileRow;

const ACTION: &str = "read a file's row";

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

async fn one(conn: &mut PgConnection, query: Query<'_>) -> CatalogResult<Option<FileRow>> {
    let row = query.fetch_optional(conn).await.map_err(said(ACTION))?;
    row.as_ref().map(rows::read).transpose()
}

async fn many(conn: &mut PgConnection, query: Query<'_>) -> CatalogResult<Vec<FileRow>> {
    let found = query.fetch_all(conn).await.map_err(said(ACTION))?;
    found.iter().map(rows::read).collect()
}

/// The file with this id.
pub(super) async fn by_id(conn: &mut PgConnection, file_id: Uuid) -> CatalogResult<Option<FileRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM files AS f WHERE f.file_id = $1");
    one(conn, sqlx::query(SQL).bind(file_id)).await
}

/// The files with these ids, each once.
pub(super) async fn by_ids(conn: &mut PgConnection, ids: &[Uuid]) -> CatalogResult<Vec<FileRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM files AS f WHERE f.file_id = ANY ($1)");
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    many(conn, sqlx::query(SQL).bind(ids.to_vec())).await
}

/// The file with this idempotency key of this sender.
pub(super) async fn by_key(conn: &mut PgConnection, created_by_id: &str, key: &str) -> CatalogResult<Option<FileRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM files AS f WHERE f.created_by_id = $1 AND f.idempotency_key = $2");
    one(conn, sqlx::query(SQL).bind(created_by_id.to_owned()).bind(key.to_owned())).await
}

/// Files by id.
pub(super) async fn after(conn: &mut PgConnection, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
    const SQL: &str =
        concat!("SELECT ", columns!(), " FROM files AS f WHERE f.file_id > $1 ORDER BY f.file_id LIMIT $2");
    many(conn, sqlx::query(SQL).bind(after.unwrap_or_default()).bind(i64::from(limit))).await
}

/// Files that a rebuild has not marked, by id.
pub(super) async fn unmarked(
    conn: &mut PgConnection,
    mark: Uuid,
    after: Option<Uuid>,
    limit: u32,
) -> CatalogResult<Vec<FileRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM files AS f WHERE f.file_id > $1 AND NOT EXISTS \
         (SELECT 1 FROM rebuild_marks AS m WHERE m.file_id = f.file_id AND m.mark = $2) \
         ORDER BY f.file_id LIMIT $3"
    );
    many(conn, sqlx::query(SQL).bind(after.unwrap_or_default()).bind(mark).bind(i64::from(limit))).await
}

/// The highest id of a file, or of one that was announced.
pub(super) async fn highest_id(conn: &mut PgConnection) -> CatalogResult<Option<Uuid>> {
    sqlx::query_scalar(
        "SELECT file_id FROM ((SELECT file_id FROM files ORDER BY file_id DESC LIMIT 1) UNION ALL \
         (SELECT file_id FROM wal WHERE file_id IS NOT NULL ORDER BY file_id DESC LIMIT 1)) AS highest \
         ORDER BY file_id DESC LIMIT 1",
    )
    .fetch_optional(conn)
    .await
    .map_err(said("find the highest file id"))
}
