//! Rows of the log that are written once, when what they tell of has ended.

use sqlx::PgConnection;

use super::config;
use super::error::said;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{Epoch, Timestamp, WalRow, WalStatus};

const ACTION: &str = "write a row of the log";

/// Writes the row with this status and epoch, whatever the mode; the caller has compared the term, or the row's version.
/// A row that is there already stays as it is. Without an end it ends now. Gives back when it ended.
pub(super) async fn insert(
    conn: &mut PgConnection,
    row: &WalRow,
    status: WalStatus,
    epoch: Epoch,
) -> CatalogResult<Timestamp> {
    let data = serde_json::to_string(&row.operation_data)
        .map_err(|error| CatalogError::Refused { action: ACTION, reason: error.to_string() })?;
    let completed_at = row.completed_at.unwrap_or_else(Timestamp::now);
    let duration_ms = row.duration_ms.unwrap_or((completed_at.micros() - row.started_at.micros()).max(0) / 1000);
    sqlx::query(
        "INSERT INTO wal (transaction_id, operation_type, status, file_id, operation_data, error_message, started_at, \
         completed_at, duration_ms, user_id, epoch) VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (transaction_id) DO NOTHING",
    )
    .bind(row.transaction_id)
    .bind(row.operation_type.as_str())
    .bind(status.as_str())
    .bind(row.file_id)
    .bind(data)
    .bind(&row.error_message)
    .bind(row.started_at.micros())
    .bind(completed_at.micros())
    .bind(duration_ms)
    .bind(&row.user_id)
    .bind(config::number(epoch))
    .execute(conn)
    .await
    .map(|_| completed_at)
    .map_err(said(ACTION))
}
