//! Sums over all files.

use sqlx::{PgConnection, Row};

use super::error::said;
use crate::catalog::CatalogResult;
use crate::model::{FileStatus, Totals};

const ACTION: &str = "read the totals";

/// The sums, kept by triggers in the transaction of each change.
pub(super) async fn read(conn: &mut PgConnection) -> CatalogResult<Totals> {
    let row = sqlx::query("SELECT * FROM totals WHERE id = 1").fetch_one(conn).await.map_err(said(ACTION))?;
    let sum = |column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs).map_err(said(ACTION));
    Ok(Totals {
        active_files: sum("active_files")?,
        active_bytes: sum("active_bytes")?,
        deleted_files: sum("deleted_files")?,
        deleted_bytes: sum("deleted_bytes")?,
    })
}

/// How many files of this status a list without filter shows.
pub(super) async fn shown(conn: &mut PgConnection, status: FileStatus) -> CatalogResult<u64> {
    let count: i64 = sqlx::query_scalar(
        "SELECT CASE $1 WHEN 'active' THEN active_files ELSE deleted_files END \
         - (SELECT count(*) FROM files WHERE status = $1 AND blocked_by IS NOT NULL) FROM totals WHERE id = 1",
    )
    .bind(status.as_str())
    .fetch_one(conn)
    .await
    .map_err(said(ACTION))?;
    Ok(count.unsigned_abs())
}
