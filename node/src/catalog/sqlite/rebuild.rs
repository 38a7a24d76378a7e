//! Rebuild: mark and sweep in place, in batches that are conditional on the term.

use std::collections::HashMap;

use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use super::error::said;
use super::rows::{self, Direction, PreparedRow, hex_array};
use super::{config, ended};
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{FileRow, Term, Timestamp, WalRow, WalStatus};

/// What of a row tells whether its cached copy is still the same.
pub(super) struct Seen {
    pub(super) row: PreparedRow,
    revision: i64,
    write_id: Uuid,
    damaged: bool,
    cached_at: i64,
}

impl Seen {
    pub(super) fn new(row: &FileRow) -> CatalogResult<Self> {
        Ok(Self {
            row: PreparedRow::new(row)?,
            revision: i64::try_from(row.attr.revision).unwrap_or(i64::MAX),
            write_id: row.attr.write_id,
            damaged: row.damaged,
            cached_at: row.cached_at.micros(),
        })
    }
}

struct Cached {
    revision: i64,
    write_id: Option<Uuid>,
    damaged: bool,
}

/// Upserts a batch and marks it; a row that is cached with a higher revision is neither. False when the term is over.
pub(super) async fn batch(conn: &mut SqliteConnection, term: Term, mark: Uuid, batch: &[Seen]) -> CatalogResult<bool> {
    if !config::stands(conn, term).await? {
        return Ok(false);
    }
    let cached = cached(conn, batch).await?;
    let mut changed = Vec::new();
    let mut same = Vec::new();
    for seen in batch {
        match cached.get(&seen.row.file_id) {
            Some(cached) if cached.revision > seen.revision => {}
            Some(cached)
                if cached.revision == seen.revision
                    && cached.write_id == Some(seen.write_id)
                    && cached.damaged == seen.damaged =>
            {
                same.push(seen);
            }
            _ => changed.push(seen),
        }
    }
    let rows: Vec<&PreparedRow> = changed.iter().map(|seen| &seen.row).collect();
    write_each_if_needed(conn, &rows).await?;
    touch(conn, &same).await?;
    let seen = changed.iter().chain(&same).map(|seen| seen.row.file_id);
    sqlx::query("INSERT OR REPLACE INTO rebuild_marks (file_id, mark) SELECT unhex(value), ?2 FROM json_each(?1)")
        .bind(hex_array(seen))
        .bind(mark.as_bytes().as_slice())
        .execute(conn)
        .await
        .map_err(said("mark files"))?;
    Ok(true)
}

/// A batch in which one row is refused (its number is taken by another file, or its key) is written row by row.
async fn write_each_if_needed(conn: &mut SqliteConnection, batch: &[&PreparedRow]) -> CatalogResult<()> {
    match rows::write(conn, batch, Direction::Forward).await {
        Err(CatalogError::Refused { .. }) => {}
        result => return result,
    }
    for row in batch {
        match rows::write(conn, &[row], Direction::Forward).await {
            Err(CatalogError::Refused { .. }) => rows::write(conn, &[row], Direction::ForwardWithoutKey).await?,
            result => result?,
        }
    }
    Ok(())
}

async fn cached(conn: &mut SqliteConnection, batch: &[Seen]) -> CatalogResult<HashMap<Uuid, Cached>> {
    let found = sqlx::query(
        "SELECT f.file_id, f.revision, f.damaged, f.attr ->> 'write_id' AS write_id \
         FROM json_each(?1) AS r CROSS JOIN files AS f ON f.file_id = unhex(r.value)",
    )
    .bind(hex_array(batch.iter().map(|seen| seen.row.file_id)))
    .fetch_all(conn)
    .await
    .map_err(said("compare files"))?;
    let mut cached = HashMap::with_capacity(found.len());
    for row in &found {
        let cannot = said("compare files");
        let write_id: Option<&str> = row.try_get("write_id").map_err(&cannot)?;
        let one = Cached {
            revision: row.try_get("revision").map_err(&cannot)?,
            write_id: write_id.and_then(|id| Uuid::parse_str(id).ok()),
            damaged: row.try_get("damaged").map_err(&cannot)?,
        };
        cached.insert(rows::uuid(row, "file_id")?, one);
    }
    Ok(cached)
}

/// The cached copy is the same still: notes when that was seen.
async fn touch(conn: &mut SqliteConnection, same: &[&Seen]) -> CatalogResult<()> {
    let Some(cached_at) = same.iter().map(|seen| seen.cached_at).max() else { return Ok(()) };
    sqlx::query("UPDATE files SET cached_at = ?2 WHERE file_id IN (SELECT unhex(value) FROM json_each(?1))")
        .bind(hex_array(same.iter().map(|seen| seen.row.file_id)))
        .bind(cached_at)
        .execute(conn)
        .await
        .map(drop)
        .map_err(said("note when files were compared"))
}

/// Sets a row to what its attr says, or removes it. False when the term is over.
pub(super) async fn correct(
    conn: &mut SqliteConnection,
    term: Term,
    file_id: Uuid,
    row: Option<&PreparedRow>,
) -> CatalogResult<bool> {
    if !config::stands(conn, term).await? {
        return Ok(false);
    }
    match row {
        Some(row) => rows::write(conn, &[row], Direction::Any).await?,
        None => {
            sqlx::query("DELETE FROM files WHERE file_id = ?1")
                .bind(file_id.as_bytes().as_slice())
                .execute(conn)
                .await
                .map_err(said("remove a file's row"))?;
        }
    }
    Ok(true)
}

/// Updates a row that is there, forward only.
pub(super) async fn refresh(conn: &mut SqliteConnection, row: &PreparedRow) -> CatalogResult<()> {
    let there = sqlx::query("SELECT 1 FROM files WHERE file_id = ?1")
        .bind(row.file_id.as_bytes().as_slice())
        .fetch_optional(&mut *conn)
        .await
        .map_err(said("find a file's row"))?;
    if there.is_some() { rows::write(conn, &[row], Direction::Forward).await } else { Ok(()) }
}

/// Writes the `CACHE_REBUILD` row and takes all marks away. False when the term is over.
pub(super) async fn end(conn: &mut SqliteConnection, term: Term, row: &WalRow) -> CatalogResult<bool> {
    if !config::stands(conn, term).await? {
        return Ok(false);
    }
    let completed_at = ended::insert(conn, row, row.status, term.epoch).await?;
    if row.status == WalStatus::Committed {
        sqlx::query(
            "UPDATE config SET needs_rebuild = 0, last_cache_rebuild = ?1, row_version = row_version + 1, \
             updated_at = ?2 WHERE id = 1",
        )
        .bind(completed_at.micros())
        .bind(Timestamp::now().micros())
        .execute(&mut *conn)
        .await
        .map_err(said("note the rebuild"))?;
    }
    sqlx::query("DELETE FROM rebuild_marks").execute(conn).await.map(|_| true).map_err(said("take marks away"))
}
