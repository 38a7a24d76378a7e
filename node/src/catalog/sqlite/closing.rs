//! The end of a transaction: committed with its file's row, rolled back, or failed.

use std::collections::HashMap;

use serde_json::json;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::config;
use super::error::said;
use super::intents::statuses;
use super::rows::{self, Direction, PreparedRow};
use crate::catalog::{CatalogError, CatalogResult, CommitVerdict};
use crate::model::{Term, Timestamp, TransactionId};

/// How a transaction is to end.
pub(super) enum End {
    /// The file's row is cached.
    Committed { row: Box<PreparedRow>, duration_ms: i64 },
    /// Undone, with the reason.
    RolledBack(String),
    /// Neither, with the reason.
    Failed(String),
}

/// A transaction about to be closed.
pub(super) struct Closing {
    pub(super) term: Term,
    pub(super) transaction_id: TransactionId,
    pub(super) end: End,
}

impl Closing {
    pub(super) fn file_id(&self) -> Option<Uuid> {
        match &self.end {
            End::Committed { row, .. } => Some(row.file_id),
            End::RolledBack(_) | End::Failed(_) => None,
        }
    }

    fn status(&self) -> &'static str {
        match self.end {
            End::Committed { .. } => "COMMITTED",
            End::RolledBack(_) => "ROLLED_BACK",
            End::Failed(_) => "FAILED",
        }
    }
}

/// Closes transactions and answers each.
pub(super) async fn write(
    conn: &mut SqliteConnection,
    closings: &[&Closing],
) -> CatalogResult<Vec<CatalogResult<CommitVerdict>>> {
    if closings.is_empty() {
        return Ok(Vec::new());
    }
    let known = statuses(conn, closings.iter().map(|closing| closing.transaction_id)).await?;
    let mut terms: HashMap<Term, bool> = HashMap::new();
    let mut verdicts = Vec::with_capacity(closings.len());
    let mut open = Vec::with_capacity(closings.len());
    for closing in closings {
        let stands = if let Some(stands) = terms.get(&closing.term) {
            *stands
        } else {
            let stands = config::stands(conn, closing.term).await?;
            terms.insert(closing.term, stands);
            stands
        };
        let verdict = if stands { judge(closing, known.get(&closing.transaction_id)) } else { Judged::Over };
        verdicts.push(match verdict {
            Judged::Open => {
                open.push(*closing);
                Ok(CommitVerdict::Committed)
            }
            Judged::Done => Ok(CommitVerdict::Committed),
            Judged::Over => Ok(CommitVerdict::TermOver),
            Judged::Contradicts(reason) => Err(CatalogError::Refused { action: "close a transaction", reason }),
        });
    }
    close(conn, &open).await?;
    Ok(verdicts)
}

enum Judged {
    Open,
    Done,
    Over,
    Contradicts(String),
}

/// `COMMITTED` and `ROLLED_BACK` are final; `PENDING` and `FAILED` lead anywhere. A transaction the log does not know was lost
/// with an older database: the file's row is cached all the same, for its attr is in place.
fn judge(closing: &Closing, status: Option<&String>) -> Judged {
    match (status.map(String::as_str), &closing.end) {
        (None | Some("PENDING" | "FAILED"), _) => Judged::Open,
        (Some("COMMITTED"), End::Committed { .. }) | (Some("ROLLED_BACK"), End::RolledBack(_)) => Judged::Done,
        (Some(status), _) => {
            Judged::Contradicts(format!("it is {status} already and cannot become {}", closing.status()))
        }
    }
}

async fn close(conn: &mut SqliteConnection, closings: &[&Closing]) -> CatalogResult<()> {
    if closings.is_empty() {
        return Ok(());
    }
    let input: Vec<_> = closings
        .iter()
        .map(|closing| {
            let (duration_ms, reason) = match &closing.end {
                End::Committed { duration_ms, .. } => (Some(*duration_ms), None),
                End::RolledBack(reason) | End::Failed(reason) => (None, Some(reason.as_str())),
            };
            json!({
                "transaction_id": hex::encode(closing.transaction_id.as_bytes()),
                "status": closing.status(),
                "reason": reason,
                "duration_ms": duration_ms,
            })
        })
        .collect();
    // A FAILED transaction has not ended: it has neither an end nor a duration.
    sqlx::query(
        "UPDATE wal SET status = r.status, error_message = r.reason, \
         completed_at = CASE r.status WHEN 'FAILED' THEN NULL ELSE ?2 END, \
         duration_ms = CASE r.status WHEN 'FAILED' THEN NULL \
         ELSE coalesce(r.duration_ms, max(0, (?2 - wal.started_at) / 1000)) END \
         FROM (SELECT unhex(value ->> 'transaction_id') AS transaction_id, value ->> 'status' AS status, \
         value ->> 'reason' AS reason, value ->> 'duration_ms' AS duration_ms FROM json_each(?1)) AS r \
         WHERE wal.transaction_id = r.transaction_id",
    )
    .bind(serde_json::Value::Array(input).to_string())
    .bind(Timestamp::now().micros())
    .execute(&mut *conn)
    .await
    .map_err(said("close a transaction"))?;
    let mut rows: Vec<&PreparedRow> = Vec::new();
    let mut others = Vec::new();
    for closing in closings {
        match &closing.end {
            End::Committed { row, .. } => rows.push(row),
            End::RolledBack(_) | End::Failed(_) => others.push(closing.transaction_id),
        }
    }
    rows::write(conn, &rows, Direction::Forward).await?;
    let closed = closings.iter().map(|closing| closing.transaction_id);
    block(conn, if others.is_empty() && rows.len() == closings.len() { None } else { Some(rows::hex_array(closed)) })
        .await
}

/// Sets or lifts the block of the files of these transactions, as the log says now.
async fn block(conn: &mut SqliteConnection, transactions: Option<String>) -> CatalogResult<()> {
    let Some(transactions) = transactions else { return Ok(()) };
    sqlx::query(
        "UPDATE files SET blocked_by = (SELECT w.transaction_id FROM wal AS w \
         WHERE w.file_id = files.file_id AND +w.status = 'FAILED' ORDER BY w.started_at LIMIT 1) \
         WHERE file_id IN (SELECT w.file_id FROM json_each(?1) AS r CROSS JOIN wal AS w \
         ON w.transaction_id = unhex(r.value))",
    )
    .bind(transactions)
    .execute(conn)
    .await
    .map(drop)
    .map_err(said("block a file's row"))
}
