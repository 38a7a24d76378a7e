//! Intents: rows of the log that announce what is about to be done.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use sqlx::{Row, SqliteConnection};
use storage_element_crds::Mode;
use uuid::Uuid;

use super::config;
use super::error::said;
use super::rows::{hex_array, uuid};
use crate::catalog::{CatalogError, CatalogResult, ConfigRow, IntentVerdict};
use crate::model::{Term, Timestamp, TransactionId, WalRow};

/// An intent ready to be written.
pub(super) struct PreparedIntent {
    pub(super) term: Term,
    pub(super) transaction_id: TransactionId,
    pub(super) file_id: Option<Uuid>,
    json: String,
}

#[derive(Serialize)]
struct Columns<'a> {
    transaction_id: String,
    operation_type: &'static str,
    file_id: Option<String>,
    operation_data: String,
    started_at: i64,
    user_id: Option<&'a str>,
}

impl PreparedIntent {
    pub(super) fn new(term: Term, row: &WalRow) -> CatalogResult<Self> {
        let refused = |error: serde_json::Error| CatalogError::Refused { action: ACTION, reason: error.to_string() };
        let columns = Columns {
            transaction_id: hex::encode(row.transaction_id.as_bytes()),
            operation_type: row.operation_type.as_str(),
            file_id: row.file_id.map(|id| hex::encode(id.as_bytes())),
            operation_data: serde_json::to_string(&row.operation_data).map_err(refused)?,
            started_at: row.started_at.micros(),
            user_id: row.user_id.as_deref(),
        };
        let json = serde_json::to_string(&columns).map_err(refused)?;
        Ok(Self { term, transaction_id: row.transaction_id, file_id: row.file_id, json })
    }
}

const ACTION: &str = "write an intent";

/// Writes the intents of each term in one statement that judges term, mode and transition, and answers each.
pub(super) async fn write(
    conn: &mut SqliteConnection,
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
    let config = config::read(conn).await?;
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

async fn insert(
    conn: &mut SqliteConnection,
    term: Term,
    intents: &[&PreparedIntent],
) -> CatalogResult<Vec<TransactionId>> {
    let own: Vec<&str> = intents.iter().filter(|one| one.term == term).map(|one| one.json.as_str()).collect();
    let rows = sqlx::query(
        "INSERT INTO wal (transaction_id, operation_type, status, file_id, operation_data, started_at, user_id, epoch) \
         SELECT unhex(r.value ->> 'transaction_id'), r.value ->> 'operation_type', 'PENDING', \
         unhex(r.value ->> 'file_id'), r.value ->> 'operation_data', r.value ->> 'started_at', \
         r.value ->> 'user_id', c.epoch \
         FROM config AS c CROSS JOIN json_each(?1) AS r \
         WHERE c.id = 1 AND c.epoch = ?2 AND c.nonce = ?3 AND c.mode IN ('edit', 'rw') \
         AND (c.transition IS NULL OR c.prepared_until <= ?4) \
         ON CONFLICT (transaction_id) DO NOTHING RETURNING transaction_id",
    )
    .bind(format!("[{}]", own.join(",")))
    .bind(config::number(term.epoch))
    .bind(term.nonce.to_string())
    .bind(Timestamp::now().micros())
    .fetch_all(conn)
    .await
    .map_err(said(ACTION))?;
    rows.iter().map(|row| uuid(row, "transaction_id")).collect()
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
pub(super) async fn statuses(
    conn: &mut SqliteConnection,
    transactions: impl Iterator<Item = TransactionId>,
) -> CatalogResult<HashMap<TransactionId, String>> {
    let rows = sqlx::query(
        "SELECT w.transaction_id, w.status FROM json_each(?1) AS r CROSS JOIN wal AS w \
         ON w.transaction_id = unhex(r.value)",
    )
    .bind(hex_array(transactions))
    .fetch_all(conn)
    .await
    .map_err(said("read the log"))?;
    rows.iter()
        .map(|row| Ok((uuid(row, "transaction_id")?, row.try_get("status").map_err(said("read the log"))?)))
        .collect()
}
