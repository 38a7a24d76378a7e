//! Intents: rows of the log that announce what is about to be done.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use sqlx::{PgConnection, Row};
use storage_element_crds::Mode;
use uuid::Uuid;

use super::config::{self, clock};
use super::error::said;
use crate::catalog::{CatalogError, CatalogResult, ConfigRow, IntentVerdict};
use crate::model::{Term, TransactionId, WalRow};

/// An intent ready to be written.
pub(super) struct PreparedIntent {
    pub(super) term: Term,
    pub(super) transaction_id: TransactionId,
    pub(super) file_id: Option<Uuid>,
    json: String,
}

#[derive(Serialize)]
struct Columns<'a> {
    transaction_id: Uuid,
    operation_type: &'static str,
    file_id: Option<Uuid>,
    operation_data: &'a Value,
    started_at: i64,
    user_id: Option<&'a str>,
}

impl PreparedIntent {
    pub(super) fn new(term: Term, row: &WalRow) -> CatalogResult<Self> {
        let columns = Columns {
            transaction_id: row.transaction_id,
            operation_type: row.operation_type.as_str(),
            file_id: row.file_id,
            operation_data: &row.operation_data,
            started_at: row.started_at.micros(),
            user_id: row.user_id.as_deref(),
        };
        let json = serde_json::to_string(&columns)
            .map_err(|error| CatalogError::Refused { action: ACTION, reason: error.to_string() })?;
        Ok(Self { term, transaction_id: row.transaction_id, file_id: row.file_id, json })
    }
}

const ACTION: &str = "write an intent";

/// Writes the intents of each term in one statement that judges term, mode and transition, and answers each.
pub(super) async fn write(
    conn: &mut PgConnection,
    intents: &[&PreparedIntent],
) -> CatalogResult<Vec<CatalogResult<IntentVerdict>>> {
    let mut terms: Vec<Term> = Vec::new();
    for intent in intents {
        if !terms.contains(&intent.term) {
            terms.push(intent.term);
        }
    }
    let mut accepted = HashSet::new();
    for term in terms {
        accepted.extend(insert(conn, term, intents).await?);
    }
    if intents.iter().all(|intent| accepted.contains(&intent.transaction_id)) {
        return Ok(intents.iter().map(|_| Ok(IntentVerdict::Accepted)).collect());
    }
    let config = config::read(&mut *conn).await?;
    let known = statuses(conn, intents.iter().map(|intent| intent.transaction_id)).await?;
    Ok(intents
        .iter()
        .map(|intent| {
            if accepted.contains(&intent.transaction_id) {
                return Ok(IntentVerdict::Accepted);
            }
            judge(intent.term, config.as_ref(), known.get(&intent.transaction_id).map(String::as_str))
        })
        .collect())
}

/// One statement, outside of any transaction, so that its locks last no longer than it does.
///
/// The hazard: at READ COMMITTED the statement sees the row as it was when it began. Without the lock a takeover, or a
/// mode change, can raise the row between that and the insert, and the intent of a term that is over stands in the log
/// after its successor has settled. `FOR SHARE` makes the two wait for one another: whoever raises the row waits until
/// this insert is committed and can be seen, and this statement, having waited for the row, judges it anew as it is then.
///
/// Only intents take this lock, and no statement or transaction that has taken it goes on to change the row: two of
/// those wait for each other for ever.
async fn insert(conn: &mut PgConnection, term: Term, intents: &[&PreparedIntent]) -> CatalogResult<Vec<TransactionId>> {
    let own: Vec<&str> = intents.iter().filter(|one| one.term == term).map(|one| one.json.as_str()).collect();
    sqlx::query_scalar(concat!(
        "WITH held AS MATERIALIZED (SELECT epoch FROM config WHERE id = 1 AND epoch = $2 AND nonce = $3 \
         AND mode IN ('edit', 'rw') AND (transition IS NULL OR prepared_until <= ",
        clock!(),
        ") FOR SHARE) \
         INSERT INTO wal (transaction_id, operation_type, status, file_id, operation_data, started_at, user_id, epoch) \
         SELECT r.transaction_id, r.operation_type, 'PENDING', r.file_id, r.operation_data, r.started_at, r.user_id, \
         held.epoch FROM held CROSS JOIN json_to_recordset($1::json) AS r (transaction_id uuid, operation_type text, \
         file_id uuid, operation_data jsonb, started_at bigint, user_id text) \
         ON CONFLICT (transaction_id) DO NOTHING RETURNING transaction_id"
    ))
    .bind(format!("[{}]", own.join(",")))
    .bind(config::number(term.epoch))
    .bind(term.nonce.to_string())
    .fetch_all(conn)
    .await
    .map_err(said(ACTION))
}

/// Why a row was not inserted.
fn judge(term: Term, config: Option<&ConfigRow>, status: Option<&str>) -> CatalogResult<IntentVerdict> {
    let Some(config) = config else { return Ok(IntentVerdict::TermOver) };
    if config.epoch != term.epoch || config.nonce != Some(term.nonce) {
        return Ok(IntentVerdict::TermOver);
    }
    match status {
        Some("PENDING" | "COMMITTED") => return Ok(IntentVerdict::Accepted),
        Some(status) => {
            let reason = format!("the transaction is {status} already");
            return Err(CatalogError::Refused { action: ACTION, reason });
        }
        None => {}
    }
    match config.mode {
        Mode::Edit | Mode::Rw => Ok(IntentVerdict::TransitionPrepared),
        mode => Ok(IntentVerdict::ModeRefuses(mode)),
    }
}

/// How these transactions stand.
async fn statuses(
    conn: &mut PgConnection,
    transactions: impl Iterator<Item = TransactionId>,
) -> CatalogResult<HashMap<TransactionId, String>> {
    let cannot = said("read the log");
    let rows = sqlx::query("SELECT transaction_id, status FROM wal WHERE transaction_id = ANY ($1)")
        .bind(transactions.collect::<Vec<_>>())
        .fetch_all(conn)
        .await
        .map_err(&cannot)?;
    rows.iter()
        .map(|row| Ok((row.try_get("transaction_id").map_err(&cannot)?, row.try_get("status").map_err(&cannot)?)))
        .collect()
}
