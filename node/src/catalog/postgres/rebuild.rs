//! Rebuild: mark and sweep in place, in batches that are conditional on the term.

use std::collections::HashMap;

use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use super::config::clock;
use super::error::said;
use super::rows::{self, Direction, PreparedRow};
use super::{config, ended};
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{FileRow, Term, WalRow, WalStatus};

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
pub(super) async fn batch(conn: &mut PgConnection, term: Term, mark: Uuid, batch: &[Seen]) -> CatalogResult<bool> {
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
    sqlx::query(
        "INSERT INTO rebuild_marks (file_id, mark) SELECT DISTINCT file_id, $2 FROM unnest($1) AS seen (file_id) \
         ON CONFLICT (file_id) DO UPDATE SET mark = excluded.mark",
    )
    .bind(seen.collect::<Vec<_>>())
    .bind(mark)
    .execute(conn)
    .await
    .map_err(said("mark files"))?;
    Ok(true)
}

/// A batch in which one row is refused (its number is taken by another file, or its key) is written row by row.
async fn write_each_if_needed(conn: &mut PgConnection, batch: &[&PreparedRow]) -> CatalogResult<()> {
    match try_write(conn, batch, Direction::Forward).await {
        Err(CatalogError::Refused { .. }) => {}
        result => return result,
    }
    for row in batch {
        match try_write(conn, &[row], Direction::Forward).await {
            Err(CatalogError::Refused { .. }) => rows::write(conn, &[row], Direction::ForwardWithoutKey).await?,
            result => result?,
        }
    }
    Ok(())
}

/// Behind a savepoint: an error would end the whole transaction.
async fn try_write(conn: &mut PgConnection, rows: &[&PreparedRow], direction: Direction) -> CatalogResult<()> {
    const ACTION: &str = "try a write";
    let mut savepoint = conn.begin().await.map_err(said(ACTION))?;
    let written = rows::write(&mut savepoint, rows, direction).await;
    match &written {
        Ok(()) => savepoint.commit().await.map_err(said(ACTION))?,
        Err(_) => savepoint.rollback().await.map_err(said(ACTION))?,
    }
    written
}

async fn cached(conn: &mut PgConnection, batch: &[Seen]) -> CatalogResult<HashMap<Uuid, Cached>> {
    let found = sqlx::query(
        "SELECT f.file_id, f.revision, f.damaged, f.attr::json ->> 'write_id' AS write_id \
         FROM files AS f WHERE f.file_id = ANY ($1)",
    )
    .bind(batch.iter().map(|seen| seen.row.file_id).collect::<Vec<_>>())
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
        cached.insert(row.try_get("file_id").map_err(&cannot)?, one);
    }
    Ok(cached)
}

/// The cached copy is the same still: notes when that was seen.
async fn touch(conn: &mut PgConnection, same: &[&Seen]) -> CatalogResult<()> {
    let Some(cached_at) = same.iter().map(|seen| seen.cached_at).max() else { return Ok(()) };
    sqlx::query("UPDATE files SET cached_at = $2 WHERE file_id = ANY ($1)")
        .bind(same.iter().map(|seen| seen.row.file_id).collect::<Vec<_>>())
        .bind(cached_at)
        .execute(conn)
        .await
        .map(drop)
        .map_err(said("note when files were compared"))
}

/// Sets a row to what its attr says, or removes it. False when the term is over.
pub(super) async fn correct(
    conn: &mut PgConnection,
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
            sqlx::query("DELETE FROM files WHERE file_id = $1")
                .bind(file_id)
                .execute(conn)
                .await
                .map_err(said("remove a file's row"))?;
        }
    }
    Ok(true)
}

/// Updates a row that is there, forward only.
pub(super) async fn refresh(conn: &mut PgConnection, row: &PreparedRow) -> CatalogResult<()> {
    let there = sqlx::query("SELECT 1 FROM files WHERE file_id = $1")
        .bind(row.file_id)
        .fetch_optional(&mut *conn)
        .await
        .map_err(said("find a file's row"))?;
    if there.is_some() { rows::write(conn, &[row], Direction::Forward).await } else { Ok(()) }
}

/// Writes the `CACHE_REBUILD` row and takes all marks away. False when the term is over.
pub(super) async fn end(conn: &mut PgConnection, term: Term, row: &WalRow) -> CatalogResult<bool> {
    if !config::stands(conn, term).await? {
        return Ok(false);
    }
    let completed_at = ended::insert(conn, row, row.status, term.epoch).await?;
    if row.status == WalStatus::Committed {
        sqlx::query(concat!(
            "UPDATE config SET needs_rebuild = false, last_cache_rebuild = $1, row_version = row_version + 1, \
             updated_at = ",
            clock!(),
            " WHERE id = 1"
        ))
        .bind(completed_at.micros())
        .execute(&mut *conn)
        .await
        .map_err(said("note the rebuild"))?;
    }
    sqlx::query("DELETE FROM rebuild_marks").execute(conn).await.map(|_| true).map_err(said("take marks away"))
}
