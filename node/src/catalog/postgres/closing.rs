//! The end of a transaction: committed with its file's row, rolled back, or failed.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::config;
use super::error::said;
use super::rows::{self, PreparedRow, given, upsert};
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

/// A closing as the statements read it.
#[derive(Serialize)]
struct Columns<'a> {
    transaction_id: Uuid,
    status: &'static str,
    reason: Option<&'a str>,
    duration_ms: Option<i64>,
    file_id: Option<Uuid>,
}

impl Closing {
    pub(super) fn file_id(&self) -> Option<Uuid> {
        match &self.end {
            End::Committed { row, .. } => Some(row.file_id),
            End::RolledBack(_) | End::Failed(_) => None,
        }
    }

    pub(super) fn commits(&self) -> bool {
        matches!(self.end, End::Committed { .. })
    }

    fn status(&self) -> &'static str {
        match self.end {
            End::Committed { .. } => "COMMITTED",
            End::RolledBack(_) => "ROLLED_BACK",
            End::Failed(_) => "FAILED",
        }
    }

    fn columns(&self) -> Columns<'_> {
        let (duration_ms, reason) = match &self.end {
            End::Committed { duration_ms, .. } => (Some(*duration_ms), None),
            End::RolledBack(reason) | End::Failed(reason) => (None, Some(reason.as_str())),
        };
        let (transaction_id, file_id) = (self.transaction_id, self.file_id());
        Columns { transaction_id, status: self.status(), reason, duration_ms, file_id }
    }
}

const ACTION: &str = "close a transaction";

/// How each given transaction (`$1` of these, in JSON) stood before this statement, if the term (`$2`, `$3`) stands; and
/// those of them that can still end: `PENDING` and `FAILED` lead anywhere, the others are final. A transaction the log
/// does not know was lost with an older database: the file's row is cached all the same, for its attr is in place.
macro_rules! judged {
    ($given:literal, $epoch:literal, $nonce:literal) => {
        concat!(
            "WITH held AS MATERIALIZED (SELECT 1 FROM config WHERE id = 1 AND epoch = ",
            $epoch,
            " AND nonce = ",
            $nonce,
            "), c AS MATERIALIZED (SELECT c.*, w.status AS was FROM json_to_recordset(",
            $given,
            "::json) AS c (transaction_id uuid, status text, reason text, duration_ms bigint, file_id uuid) \
             LEFT JOIN wal AS w ON w.transaction_id = c.transaction_id WHERE EXISTS (SELECT 1 FROM held)), \
             ended AS MATERIALIZED (SELECT * FROM c WHERE was IS NULL OR was IN ('PENDING', 'FAILED')), "
        )
    };
}

/// Closes transactions, all as committed or none, and answers each. One statement for each term: it is done or it is not.
pub(super) async fn write(
    conn: &mut PgConnection,
    closings: &[&Closing],
) -> CatalogResult<Vec<CatalogResult<CommitVerdict>>> {
    let mut terms: HashMap<Term, Vec<&Closing>> = HashMap::new();
    for closing in closings {
        terms.entry(closing.term).or_default().push(closing);
    }
    let mut known = HashMap::with_capacity(closings.len());
    for (term, own) in terms {
        let found = if own.iter().all(|closing| closing.commits()) {
            commit(conn, term, &own).await?
        } else {
            end(conn, term, &own).await?
        };
        for row in &found {
            let was: Option<String> = row.try_get("was").map_err(said(ACTION))?;
            known.insert(row.try_get::<Uuid, _>("transaction_id").map_err(said(ACTION))?, was);
        }
    }
    // No row: the term is over.
    Ok(closings
        .iter()
        .map(|closing| match known.get(&closing.transaction_id) {
            Some(was) => judge(closing, was.as_deref()),
            None => Ok(CommitVerdict::TermOver),
        })
        .collect())
}

fn judge(closing: &Closing, was: Option<&str>) -> CatalogResult<CommitVerdict> {
    match (was, &closing.end) {
        (None | Some("PENDING" | "FAILED"), _)
        | (Some("COMMITTED"), End::Committed { .. })
        | (Some("ROLLED_BACK"), End::RolledBack(_)) => Ok(CommitVerdict::Committed),
        (Some(was), _) => {
            let reason = format!("it is {was} already and cannot become {}", closing.status());
            Err(CatalogError::Refused { action: ACTION, reason })
        }
    }
}

fn array(closings: &[&Closing]) -> CatalogResult<String> {
    let columns: Vec<_> = closings.iter().map(|closing| closing.columns()).collect();
    serde_json::to_string(&columns).map_err(|error| CatalogError::Refused { action: ACTION, reason: error.to_string() })
}

type Found = Vec<sqlx::postgres::PgRow>;

/// Caches the rows of files and closes their transactions.
async fn commit(conn: &mut PgConnection, term: Term, closings: &[&Closing]) -> CatalogResult<Found> {
    let rows: Vec<&PreparedRow> = closings
        .iter()
        .filter_map(|closing| match &closing.end {
            End::Committed { row, .. } => Some(row.as_ref()),
            End::RolledBack(_) | End::Failed(_) => None,
        })
        .collect();
    sqlx::query(concat!(
        judged!("$4", "$5", "$6"),
        "closed AS (UPDATE wal SET status = 'COMMITTED', error_message = NULL, completed_at = $7, \
         duration_ms = ended.duration_ms FROM ended WHERE wal.transaction_id = ended.transaction_id), \
         r AS MATERIALIZED (SELECT r.* FROM ",
        given!(),
        " WHERE r.file_id IN (SELECT file_id FROM ended)), cached AS (",
        // This statement does not see what it writes: these still look FAILED to it.
        upsert!("AND w.transaction_id NOT IN (SELECT transaction_id FROM ended)"),
        ") SELECT transaction_id, was FROM c"
    ))
    .bind(rows::array(&rows))
    .bind(false)
    .bind(true)
    .bind(array(closings)?)
    .bind(config::number(term.epoch))
    .bind(term.nonce.to_string())
    .bind(Timestamp::now().micros())
    .fetch_all(conn)
    .await
    .map_err(said(ACTION))
}

/// Closes transactions in any other way, and sets or lifts the block of their files. A FAILED transaction has not ended:
/// it has neither an end nor a duration.
async fn end(conn: &mut PgConnection, term: Term, closings: &[&Closing]) -> CatalogResult<Found> {
    sqlx::query(concat!(
        judged!("$1", "$2", "$3"),
        "closed AS (UPDATE wal SET status = ended.status, error_message = ended.reason, \
         completed_at = CASE ended.status WHEN 'FAILED' THEN NULL ELSE $4 END, \
         duration_ms = CASE ended.status WHEN 'FAILED' THEN NULL \
         ELSE coalesce(ended.duration_ms, greatest(0, ($4 - wal.started_at) / 1000)) END \
         FROM ended WHERE wal.transaction_id = ended.transaction_id \
         RETURNING wal.transaction_id, wal.file_id, wal.status, wal.started_at), \
         failed AS (SELECT transaction_id, file_id, started_at FROM closed WHERE status = 'FAILED' \
         UNION ALL SELECT w.transaction_id, w.file_id, w.started_at FROM wal AS w \
         WHERE w.file_id IN (SELECT file_id FROM closed) AND w.status = 'FAILED' \
         AND w.transaction_id NOT IN (SELECT transaction_id FROM ended)), \
         blocked AS (UPDATE files SET blocked_by = (SELECT failed.transaction_id FROM failed \
         WHERE failed.file_id = files.file_id ORDER BY failed.started_at LIMIT 1) \
         WHERE files.file_id IN (SELECT file_id FROM closed)) \
         SELECT transaction_id, was FROM c"
    ))
    .bind(array(closings)?)
    .bind(config::number(term.epoch))
    .bind(term.nonce.to_string())
    .bind(Timestamp::now().micros())
    .fetch_all(conn)
    .await
    .map_err(said(ACTION))
}
