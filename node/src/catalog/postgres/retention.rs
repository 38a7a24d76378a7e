//! What retention holds, and what may be removed: candidates of the time to live, of the grace period, of the log.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::config;
use super::error::said;
use super::rows::{self, columns};
use crate::catalog::{CatalogResult, RetentionSummary};
use crate::model::{FileRow, Term, Timestamp};

/// What retention holds over all active files.
pub(super) async fn summary(conn: &mut PgConnection) -> CatalogResult<RetentionSummary> {
    const ACTION: &str = "read what retention holds";
    // The conditions repeat those of the partial indexes.
    let row = sqlx::query(
        "SELECT (SELECT max(retention_until) FROM files WHERE status = 'active' AND retention_until IS NOT NULL) \
         AS latest_until, \
         (SELECT created_at FROM files WHERE status = 'active' ORDER BY created_at DESC LIMIT 1) AS newest, \
         (SELECT count(*) FROM files WHERE status = 'active' AND legal_hold) AS legal_holds",
    )
    .fetch_one(conn)
    .await
    .map_err(said(ACTION))?;
    let time = |column: &str| row.try_get::<Option<i64>, _>(column).map_err(said(ACTION));
    let legal_holds: i64 = row.try_get("legal_holds").map_err(said(ACTION))?;
    Ok(RetentionSummary {
        latest_until: time("latest_until")?.map(Timestamp::from_micros),
        newest_created_at: time("newest")?.map(Timestamp::from_micros),
        legal_holds: legal_holds.unsigned_abs(),
    })
}

/// Active files that came at or before a moment, by id.
pub(super) async fn active_before(
    conn: &mut PgConnection,
    created_to: Timestamp,
    after: Option<Uuid>,
    limit: u32,
) -> CatalogResult<Vec<FileRow>> {
    // An id begins with its millisecond: the walk ends where later ones begin.
    let millis = u128::try_from(created_to.millis() + 1).unwrap_or(0);
    let beyond = Uuid::from_u128(millis << 80);
    let found = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM files AS f \
         WHERE f.file_id > $1 AND f.file_id < $2 AND f.status = 'active' AND f.created_at <= $3 \
         ORDER BY f.file_id LIMIT $4"
    ))
    .bind(after.unwrap_or_default())
    .bind(beyond)
    .bind(created_to.micros())
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await
    .map_err(said("find files whose time to live may be over"))?;
    found.iter().map(rows::read).collect()
}

/// Deleted files, by id.
pub(super) async fn deleted(conn: &mut PgConnection, after: Option<Uuid>, limit: u32) -> CatalogResult<Vec<FileRow>> {
    let found = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM files AS f \
         WHERE f.status = 'deleted' AND f.file_id > $1 ORDER BY f.file_id LIMIT $2"
    ))
    .bind(after.unwrap_or_default())
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await
    .map_err(said("find deleted files"))?;
    found.iter().map(rows::read).collect()
}

/// Removes rows of the log that ended before a moment, none of an open transaction.
pub(super) async fn purge_log(
    conn: &mut PgConnection,
    term: Term,
    before: Timestamp,
    limit: u32,
) -> CatalogResult<u64> {
    // A transaction ends after it began: beginnings bound the walk along the index.
    sqlx::query(
        "DELETE FROM wal WHERE transaction_id IN (SELECT transaction_id FROM wal \
         WHERE status IN ('COMMITTED', 'ROLLED_BACK') AND started_at < $1 AND completed_at < $1 LIMIT $2) \
         AND EXISTS (SELECT 1 FROM config WHERE id = 1 AND epoch = $3 AND nonce = $4)",
    )
    .bind(before.micros())
    .bind(i64::from(limit))
    .bind(config::number(term.epoch))
    .bind(term.nonce.to_string())
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
    .map_err(said("remove old rows of the log"))
}
