//! Reading the write-ahead log.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::error::said;
use crate::catalog::{CatalogError, CatalogResult, WalPending, WalQuery};
use crate::model::{Epoch, OperationType, Timestamp, TransactionId, WalRow, WalStatus};

const ACTION: &str = "read the log";

macro_rules! columns {
    () => {
        "transaction_id, operation_type, status, file_id, operation_data::text AS operation_data, error_message, \
         started_at, completed_at, duration_ms, user_id, epoch"
    };
}

/// Rows, oldest first.
pub(super) async fn page(conn: &mut PgConnection, query: &WalQuery) -> CatalogResult<Vec<WalRow>> {
    let mut sql = QueryBuilder::<Postgres>::new(concat!("SELECT ", columns!(), " FROM wal WHERE true"));
    // Open rows are few among many: they are found by status and sorted, not looked for along the whole log.
    let start = if query.statuses.is_empty() { "started_at" } else { "(started_at + 0)" };
    if !query.statuses.is_empty() {
        sql.push(" AND status IN (");
        let mut statuses = sql.separated(", ");
        for status in &query.statuses {
            statuses.push_bind(status.as_str());
        }
        sql.push(")");
    }
    if query.files_only {
        sql.push(" AND operation_type IN ('FILE_CREATE', 'FILE_UPDATE', 'FILE_DELETE')");
    }
    if let Some((started_at, transaction_id)) = query.after {
        sql.push(" AND (").push(start).push(", transaction_id) > (").push_bind(started_at.micros());
        sql.push(", ").push_bind(transaction_id).push(")");
    }
    sql.push(" ORDER BY ").push(start).push(", transaction_id LIMIT ").push_bind(i64::from(query.limit));
    let rows = sql.build().fetch_all(conn).await.map_err(said(ACTION))?;
    rows.iter().map(read).collect()
}

/// One row.
pub(super) async fn row(conn: &mut PgConnection, transaction_id: TransactionId) -> CatalogResult<Option<WalRow>> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM wal WHERE transaction_id = $1"))
        .bind(transaction_id)
        .fetch_optional(conn)
        .await
        .map_err(said(ACTION))?;
    row.as_ref().map(read).transpose()
}

/// Numbers about open rows.
pub(super) async fn pending(conn: &mut PgConnection) -> CatalogResult<WalPending> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM wal WHERE status = 'PENDING') AS pending, \
         (SELECT count(*) FROM wal WHERE status = 'FAILED') AS failed, \
         (SELECT min(started_at) FROM wal WHERE status = 'PENDING') AS oldest",
    )
    .fetch_one(conn)
    .await
    .map_err(said(ACTION))?;
    let count = |column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs).map_err(said(ACTION));
    let oldest: Option<i64> = row.try_get("oldest").map_err(said(ACTION))?;
    Ok(WalPending { pending: count("pending")?, failed: count("failed")?, oldest: oldest.map(Timestamp::from_micros) })
}

/// The FAILED transaction of a file.
pub(super) async fn blocked_by(conn: &mut PgConnection, file_id: Uuid) -> CatalogResult<Option<TransactionId>> {
    let row = sqlx::query(
        "SELECT transaction_id FROM wal WHERE file_id = $1 AND status = 'FAILED' ORDER BY started_at LIMIT 1",
    )
    .bind(file_id)
    .fetch_optional(conn)
    .await
    .map_err(said(ACTION))?;
    row.as_ref().map(|row| row.try_get("transaction_id").map_err(said(ACTION))).transpose()
}

/// The open transaction that carries this key of this sender.
pub(super) async fn open_by_key(
    conn: &mut PgConnection,
    sender: &str,
    key: &str,
) -> CatalogResult<Option<TransactionId>> {
    let row = sqlx::query(
        "SELECT transaction_id FROM wal WHERE operation_data ->> 'created_by_id' = $1 \
         AND operation_data ->> 'idempotency_key' = $2 \
         AND operation_data ->> 'idempotency_key' IS NOT NULL AND status IN ('PENDING', 'FAILED')",
    )
    .bind(sender)
    .bind(key)
    .fetch_optional(conn)
    .await
    .map_err(said(ACTION))?;
    row.as_ref().map(|row| row.try_get("transaction_id").map_err(said(ACTION))).transpose()
}

fn read(row: &PgRow) -> CatalogResult<WalRow> {
    let cannot = said(ACTION);
    let corrupt = |reason: String| CatalogError::Corrupt { what: "row of the log".to_owned(), reason };
    let text = |column: &str| row.try_get::<&str, _>(column).map_err(&cannot);
    let optional = |column: &str| row.try_get::<Option<String>, _>(column).map_err(&cannot);
    let number = |column: &str| row.try_get::<Option<i64>, _>(column).map_err(&cannot);
    let (operation, status) = (text("operation_type")?, text("status")?);
    Ok(WalRow {
        transaction_id: row.try_get("transaction_id").map_err(&cannot)?,
        operation_type: OperationType::parse(operation).ok_or_else(|| corrupt(format!("operation {operation}")))?,
        status: WalStatus::parse(status).ok_or_else(|| corrupt(format!("status {status}")))?,
        file_id: row.try_get("file_id").map_err(&cannot)?,
        operation_data: serde_json::from_str(text("operation_data")?).map_err(|error| corrupt(error.to_string()))?,
        error_message: optional("error_message")?,
        started_at: Timestamp::from_micros(number("started_at")?.unwrap_or(0)),
        completed_at: number("completed_at")?.map(Timestamp::from_micros),
        duration_ms: number("duration_ms")?,
        user_id: optional("user_id")?,
        epoch: Epoch::try_from(number("epoch")?.unwrap_or(0)).unwrap_or(0),
    })
}
