//! Rows of `files`: made ready by whoever asks, written by the writer, read back.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::error::said;
use super::matching::IndexedText;
use crate::catalog::exact::lower;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{FileRow, Timestamp};

/// What a row is read from, in the order [`read`] expects nothing of.
pub(super) const COLUMNS: &str = "f.attr, f.cached_at, f.damaged, f.blocked_by";

/// A row ready to be written. Splitting and stemming its words happens in the task of whoever asks, not in the writer.
pub(super) struct PreparedRow {
    pub(super) file_id: Uuid,
    seq: i64,
    columns: String,
    text: String,
}

#[derive(Serialize)]
struct Columns<'a> {
    file_id: String,
    status: &'static str,
    revision: u64,
    file_size: u64,
    created_at: i64,
    updated_at: i64,
    cached_at: i64,
    damaged: u8,
    created_by_id: &'a str,
    created_by_username: &'a str,
    original_filename: &'a str,
    name_lower: String,
    content_type: &'a str,
    idempotency_key: Option<&'a str>,
    retention_until: Option<i64>,
    legal_hold: u8,
    attr: String,
}

impl PreparedRow {
    pub(super) fn new(row: &FileRow) -> CatalogResult<Self> {
        let attr = &row.attr;
        let columns = Columns {
            file_id: hex::encode(attr.file_id.as_bytes()),
            status: attr.status.as_str(),
            revision: attr.revision,
            file_size: attr.file_size,
            created_at: attr.created_at.micros(),
            updated_at: attr.updated_at.micros(),
            cached_at: row.cached_at.micros(),
            damaged: u8::from(row.damaged),
            created_by_id: &attr.created_by_id,
            created_by_username: &attr.created_by_username,
            original_filename: &attr.original_filename,
            name_lower: lower(&attr.original_filename),
            content_type: &attr.content_type,
            idempotency_key: attr.idempotency_key.as_deref(),
            retention_until: attr.retention_until.map(Timestamp::micros),
            legal_hold: u8::from(attr.legal_hold),
            attr: json(attr)?,
        };
        Ok(Self {
            file_id: attr.file_id,
            seq: seq(attr.created_at, attr.file_id),
            columns: json(&columns)?,
            text: json(&IndexedText::of(attr))?,
        })
    }
}

fn json(value: &impl Serialize) -> CatalogResult<String> {
    serde_json::to_string(value)
        .map_err(|error| CatalogError::Refused { action: "write a file's row", reason: error.to_string() })
}

/// The row number: milliseconds of creation, then the 15 bits of the id right below its time, which differ between
/// ids that one node gives in one millisecond. Rows lie in the order of creation.
pub(super) fn seq(created_at: Timestamp, file_id: Uuid) -> i64 {
    let bits = file_id.as_u128();
    // 12 bits between version and variant, then the 3 highest below the variant.
    let below = ((bits >> 64) & 0xfff) << 3 | ((bits >> 59) & 0b111);
    created_at.millis().max(0) << 15 | i64::try_from(below).unwrap_or(0)
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

/// Writes rows and their words. A row whose number is taken by another file is an error of the whole statement unless
/// it comes alone: then it takes the next free number.
pub(super) async fn write(
    conn: &mut SqliteConnection,
    rows: &[&PreparedRow],
    direction: Direction,
) -> CatalogResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut numbered = Vec::with_capacity(rows.len());
    for row in rows {
        numbered.push((row.seq, *row));
    }
    if let [(seq, row)] = numbered.as_mut_slice() {
        *seq = free_number(conn, row).await?;
    }
    let input = array(numbered.iter().map(|(seq, row)| (*seq, row.columns.as_str())));
    let written = sqlx::query(
        "INSERT INTO files (seq, file_id, status, revision, file_size, created_at, updated_at, cached_at, damaged, \
         blocked_by, created_by_id, created_by_username, original_filename, name_lower, content_type, \
         idempotency_key, retention_until, legal_hold, attr) \
         SELECT r.value ->> 'seq', unhex(r.value ->> 'file_id'), r.value ->> 'status', r.value ->> 'revision', \
         r.value ->> 'file_size', r.value ->> 'created_at', r.value ->> 'updated_at', r.value ->> 'cached_at', \
         r.value ->> 'damaged', \
         (SELECT transaction_id FROM wal WHERE file_id = unhex(r.value ->> 'file_id') AND +status = 'FAILED' \
          ORDER BY started_at LIMIT 1), \
         r.value ->> 'created_by_id', r.value ->> 'created_by_username', r.value ->> 'original_filename', \
         r.value ->> 'name_lower', r.value ->> 'content_type', \
         CASE WHEN ?3 THEN r.value ->> 'idempotency_key' END, r.value ->> 'retention_until', \
         r.value ->> 'legal_hold', r.value ->> 'attr' \
         FROM json_each(?1) AS r WHERE true \
         ON CONFLICT (file_id) DO UPDATE SET status = excluded.status, revision = excluded.revision, \
         file_size = excluded.file_size, created_at = excluded.created_at, updated_at = excluded.updated_at, \
         cached_at = excluded.cached_at, damaged = excluded.damaged, blocked_by = excluded.blocked_by, \
         created_by_id = excluded.created_by_id, created_by_username = excluded.created_by_username, \
         original_filename = excluded.original_filename, name_lower = excluded.name_lower, \
         content_type = excluded.content_type, \
         idempotency_key = excluded.idempotency_key, retention_until = excluded.retention_until, \
         legal_hold = excluded.legal_hold, attr = excluded.attr \
         WHERE ?2 OR excluded.revision >= files.revision \
         RETURNING seq, file_id",
    )
    .bind(input)
    .bind(direction == Direction::Any)
    .bind(direction != Direction::ForwardWithoutKey)
    .fetch_all(&mut *conn)
    .await
    .map_err(said("write a file's row"))?;
    let texts: HashMap<Uuid, &str> = rows.iter().map(|row| (row.file_id, row.text.as_str())).collect();
    let mut changed = Vec::with_capacity(written.len());
    for row in &written {
        let seq: i64 = row.try_get("seq").map_err(said("write a file's row"))?;
        changed.extend(texts.get(&uuid(row, "file_id")?).map(|text| (seq, *text)));
    }
    write_words(conn, array(changed.into_iter())).await
}

async fn write_words(conn: &mut SqliteConnection, input: String) -> CatalogResult<()> {
    sqlx::query(
        "INSERT OR REPLACE INTO files_text (rowid, name, description, tags, words, exact) \
         SELECT r.value ->> 'seq', r.value ->> 'name', r.value ->> 'description', r.value ->> 'tags', \
         r.value ->> 'words', r.value ->> 'exact' FROM json_each(?1) AS r",
    )
    .bind(input)
    .execute(conn)
    .await
    .map(drop)
    .map_err(said("write a file's words"))
}

/// The number the file has, or the first free one from its own on.
async fn free_number(conn: &mut SqliteConnection, row: &PreparedRow) -> CatalogResult<i64> {
    sqlx::query_scalar(
        "WITH RECURSIVE taken (seq) AS (SELECT ?1 WHERE EXISTS (SELECT 1 FROM files WHERE seq = ?1) \
         UNION ALL SELECT seq + 1 FROM taken WHERE EXISTS (SELECT 1 FROM files WHERE files.seq = taken.seq + 1)) \
         SELECT coalesce((SELECT seq FROM files WHERE file_id = ?2), (SELECT max(seq) + 1 FROM taken), ?1)",
    )
    .bind(row.seq)
    .bind(row.file_id.as_bytes().as_slice())
    .fetch_one(conn)
    .await
    .map_err(said("find a row number"))
}

/// A JSON array of the objects, each given its row number.
fn array<'a>(rows: impl Iterator<Item = (i64, &'a str)>) -> String {
    let mut array = String::from("[");
    for (seq, object) in rows {
        if array.len() > 1 {
            array.push(',');
        }
        array.push_str("{\"seq\":");
        array.push_str(&seq.to_string());
        array.push(',');
        array.push_str(object.get(1..).unwrap_or("}"));
    }
    array.push(']');
    array
}

/// A file's row from [`COLUMNS`].
pub(super) fn read(row: &SqliteRow) -> CatalogResult<FileRow> {
    let cannot = said("read a file's row");
    let attr: &str = row.try_get("attr").map_err(&cannot)?;
    let attr = serde_json::from_str(attr)
        .map_err(|error| CatalogError::Corrupt { what: "row of a file".to_owned(), reason: error.to_string() })?;
    Ok(FileRow {
        attr,
        cached_at: Timestamp::from_micros(row.try_get("cached_at").map_err(&cannot)?),
        damaged: row.try_get("damaged").map_err(&cannot)?,
        blocked_by: optional_uuid(row, "blocked_by")?,
    })
}

/// An id from a column.
pub(super) fn uuid(row: &SqliteRow, column: &'static str) -> CatalogResult<Uuid> {
    optional_uuid(row, column)?
        .ok_or_else(|| CatalogError::Corrupt { what: column.to_owned(), reason: "it is missing".to_owned() })
}

/// An id from a column that may be empty.
pub(super) fn optional_uuid(row: &SqliteRow, column: &'static str) -> CatalogResult<Option<Uuid>> {
    let bytes: Option<&[u8]> = row.try_get(column).map_err(said("read an id"))?;
    bytes
        .map(Uuid::from_slice)
        .transpose()
        .map_err(|error| CatalogError::Corrupt { what: column.to_owned(), reason: error.to_string() })
}

/// A JSON array of ids in hex, for `json_each`.
pub(super) fn hex_array(ids: impl Iterator<Item = Uuid>) -> String {
    Value::Array(ids.map(|id| Value::String(hex::encode(id.as_bytes()))).collect()).to_string()
}
