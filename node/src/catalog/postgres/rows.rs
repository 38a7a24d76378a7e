//! Rows of `files`: made ready by whoever asks, written by the lane of commits, read back.

use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::error::said;
use super::matching;
use crate::catalog::exact::lower;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{FileRow, Timestamp};

/// What a row is read from, in the order [`read`] expects nothing of.
macro_rules! columns {
    () => {
        "f.attr, f.cached_at, f.damaged, f.blocked_by"
    };
}
pub(super) use columns;

/// Rows given as JSON in the parameter `$1`.
macro_rules! given {
    () => {
        "json_to_recordset($1::json) AS r (file_id uuid, status text, revision bigint, file_size bigint, \
         created_at bigint, updated_at bigint, cached_at bigint, damaged boolean, created_by_id text, \
         created_by_username text, original_filename text, name_lower text, content_type text, idempotency_key text, \
         retention_until bigint, legal_hold boolean, metadata jsonb, words text, attr text)"
    };
}
pub(super) use given;

/// Writes the rows that `r` holds, but for those that are behind what is cached, unless `$2` says so; without their
/// idempotency keys, unless `$3` says so. A row is blocked by the oldest FAILED transaction of its file, but for those
/// that the condition leaves out.
macro_rules! upsert {
    ($but:literal) => {
        concat!(
            "INSERT INTO files (file_id, status, revision, file_size, created_at, updated_at, cached_at, damaged, \
             blocked_by, created_by_id, created_by_username, original_filename, name_lower, content_type, \
             idempotency_key, retention_until, legal_hold, metadata, words, attr) \
             SELECT r.file_id, r.status, r.revision, r.file_size, r.created_at, r.updated_at, r.cached_at, r.damaged, \
             (SELECT w.transaction_id FROM wal AS w WHERE w.file_id = r.file_id AND w.status = 'FAILED' ",
            $but,
            " ORDER BY w.started_at LIMIT 1), \
             r.created_by_id, r.created_by_username, r.original_filename, r.name_lower, r.content_type, \
             CASE WHEN $3 THEN r.idempotency_key END, r.retention_until, r.legal_hold, r.metadata, r.words::tsvector, \
             r.attr FROM r \
             ON CONFLICT (file_id) DO UPDATE SET status = excluded.status, revision = excluded.revision, \
             file_size = excluded.file_size, created_at = excluded.created_at, updated_at = excluded.updated_at, \
             cached_at = excluded.cached_at, damaged = excluded.damaged, blocked_by = excluded.blocked_by, \
             created_by_id = excluded.created_by_id, created_by_username = excluded.created_by_username, \
             original_filename = excluded.original_filename, name_lower = excluded.name_lower, \
             content_type = excluded.content_type, idempotency_key = excluded.idempotency_key, \
             retention_until = excluded.retention_until, legal_hold = excluded.legal_hold, \
             metadata = excluded.metadata, words = excluded.words, attr = excluded.attr \
             WHERE $2 OR excluded.revision >= files.revision"
        )
    };
}
pub(super) use upsert;

/// A row ready to be written. Splitting and stemming its words happens in the task of whoever asks, not in the lane.
pub(super) struct PreparedRow {
    pub(super) file_id: Uuid,
    json: String,
}

#[derive(Serialize)]
struct Columns<'a> {
    file_id: Uuid,
    status: &'static str,
    revision: u64,
    file_size: u64,
    created_at: i64,
    updated_at: i64,
    cached_at: i64,
    damaged: bool,
    created_by_id: &'a str,
    created_by_username: &'a str,
    original_filename: &'a str,
    name_lower: String,
    content_type: &'a str,
    idempotency_key: Option<&'a str>,
    retention_until: Option<i64>,
    legal_hold: bool,
    metadata: &'a Map<String, Value>,
    words: String,
    attr: String,
}

impl PreparedRow {
    pub(super) fn new(row: &FileRow) -> CatalogResult<Self> {
        let attr = &row.attr;
        let columns = Columns {
            file_id: attr.file_id,
            status: attr.status.as_str(),
            revision: attr.revision,
            file_size: attr.file_size,
            created_at: attr.created_at.micros(),
            updated_at: attr.updated_at.micros(),
            cached_at: row.cached_at.micros(),
            damaged: row.damaged,
            created_by_id: &attr.created_by_id,
            created_by_username: &attr.created_by_username,
            original_filename: &attr.original_filename,
            name_lower: lower(&attr.original_filename),
            content_type: &attr.content_type,
            idempotency_key: attr.idempotency_key.as_deref(),
            retention_until: attr.retention_until.map(Timestamp::micros),
            legal_hold: attr.legal_hold,
            metadata: &attr.metadata,
            words: matching::words_of(attr),
            attr: json(attr)?,
        };
        Ok(Self { file_id: attr.file_id, json: json(&columns)? })
    }
}

fn json(value: &impl Serialize) -> CatalogResult<String> {
    serde_json::to_string(value)
        .map_err(|error| CatalogError::Refused { action: "write a file's row", reason: error.to_string() })
}

/// Which rows may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Only those whose revision is not higher.
    Forward,
    /// Any: a rebuild sets right what is wrong.
    Any,
    /// Those whose revision is not higher, and the idempotency key is not cached: for the second of two files whose
    /// attrs carry one key of one sender (copied in by hand), which has to be found all the same.
    ForwardWithoutKey,
}

/// Writes rows, each only if its direction allows.
pub(super) async fn write(conn: &mut PgConnection, rows: &[&PreparedRow], direction: Direction) -> CatalogResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(concat!("WITH r AS MATERIALIZED (SELECT * FROM ", given!(), ") ", upsert!("")))
        .bind(array(rows))
        .bind(direction == Direction::Any)
        .bind(direction != Direction::ForwardWithoutKey)
        .execute(conn)
        .await
        .map(drop)
        .map_err(said("write a file's row"))
}

/// A JSON array of the rows, for [`given`].
pub(super) fn array(rows: &[&PreparedRow]) -> String {
    let rows: Vec<&str> = rows.iter().map(|row| row.json.as_str()).collect();
    format!("[{}]", rows.join(","))
}

/// A file's row from [`columns`].
pub(super) fn read(row: &PgRow) -> CatalogResult<FileRow> {
    let cannot = said("read a file's row");
    let attr: &str = row.try_get("attr").map_err(&cannot)?;
    let attr = serde_json::from_str(attr)
        .map_err(|error| CatalogError::Corrupt { what: "row of a file".to_owned(), reason: error.to_string() })?;
    Ok(FileRow {
        attr,
        cached_at: Timestamp::from_micros(row.try_get("cached_at").map_err(&cannot)?),
        damaged: row.try_get("damaged").map_err(&cannot)?,
        blocked_by: row.try_get("blocked_by").map_err(&cannot)?,
    })
}
