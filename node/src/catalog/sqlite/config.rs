//! The singleton row: who the element is, its mode, its term.

use serde_json::from_str;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use storage_element_crds::Mode;

use super::error::said;
use super::rows::uuid;
use crate::catalog::{CatalogError, CatalogResult, ConfigRow, NewElement, NewTerm};
use crate::model::{Epoch, Nonce, Term, Timestamp};

/// Reads the row.
pub(super) async fn read(conn: &mut SqliteConnection) -> CatalogResult<Option<ConfigRow>> {
    let row = sqlx::query("SELECT * FROM config WHERE id = 1")
        .fetch_optional(conn)
        .await
        .map_err(said("read the element's row"))?;
    row.as_ref().map(decode).transpose()
}

/// The row from all its columns.
pub(super) fn decode(row: &SqliteRow) -> CatalogResult<ConfigRow> {
    let cannot = said("read the element's row");
    let text = |column: &str| row.try_get::<Option<String>, _>(column).map_err(&cannot);
    let time = |column: &str| row.try_get::<Option<i64>, _>(column).map(|at| at.map(Timestamp::from_micros));
    let moment = |column: &str| row.try_get(column).map(Timestamp::from_micros).map_err(&cannot);
    let mode: String = row.try_get("mode").map_err(&cannot)?;
    Ok(ConfigRow {
        element_id: uuid(row, "element_id")?,
        catalog_id: uuid(row, "catalog_id")?,
        mode: mode.parse::<Mode>().map_err(|error| corrupt(&error))?,
        mode_changed_at: moment("mode_changed_at")?,
        mode_changed_by: text("mode_changed_by")?,
        transition: text("transition")?.map(|json| from_str(&json).map_err(|error| corrupt(&error))).transpose()?,
        prepared_until: time("prepared_until").map_err(&cannot)?,
        epoch: Epoch::try_from(row.try_get::<i64, _>("epoch").map_err(&cannot)?).map_err(|error| corrupt(&error))?,
        nonce: text("nonce")?.map(|nonce| nonce.parse::<Nonce>().map_err(|error| corrupt(&error))).transpose()?,
        row_version: row.try_get("row_version").map_err(&cannot)?,
        master: text("master")?,
        master_address: text("master_address")?,
        master_elected_at: time("master_elected_at").map_err(&cannot)?,
        last_cache_rebuild: time("last_cache_rebuild").map_err(&cannot)?,
        needs_rebuild: row.try_get("needs_rebuild").map_err(&cannot)?,
        created_at: moment("created_at")?,
        updated_at: moment("updated_at")?,
    })
}

fn corrupt(error: &dyn std::fmt::Display) -> CatalogError {
    CatalogError::Corrupt { what: "row of the element".to_owned(), reason: error.to_string() }
}

/// An epoch as SQLite counts: one beyond its numbers cannot stand there.
pub(super) fn number(epoch: Epoch) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

/// Writes the row of a new catalog, if there is none.
pub(super) async fn create(conn: &mut SqliteConnection, element: &NewElement) -> CatalogResult<()> {
    sqlx::query(
        "INSERT OR IGNORE INTO config (id, element_id, catalog_id, mode, mode_changed_at, needs_rebuild, created_at, \
         updated_at) VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?6)",
    )
    .bind(element.element_id.as_bytes().as_slice())
    .bind(element.catalog_id.as_bytes().as_slice())
    .bind(element.mode.as_str())
    .bind(element.mode_changed_at.micros())
    .bind(element.needs_rebuild)
    .bind(Timestamp::now().micros())
    .execute(conn)
    .await
    .map(drop)
    .map_err(said("write the element's row"))
}

/// Begins a term in one conditional statement; false when another began meanwhile. A transition to the mode it writes was
/// done by the term before, up to this row: it would close the door to a successor that has nothing left to change.
pub(super) async fn begin_term(conn: &mut SqliteConnection, term: &NewTerm) -> CatalogResult<bool> {
    let done = sqlx::query(
        "UPDATE config SET epoch = ?1, nonce = ?2, master = ?3, master_address = ?4, master_elected_at = ?5, \
         needs_rebuild = needs_rebuild OR ?6, mode = ?7, mode_changed_at = ?8, row_version = row_version + 1, \
         transition = CASE WHEN transition ->> 'target' = ?7 THEN NULL ELSE transition END, \
         prepared_until = CASE WHEN transition ->> 'target' = ?7 THEN NULL ELSE prepared_until END, \
         updated_at = ?5 WHERE id = 1 AND epoch = ?9 AND epoch < ?1",
    )
    .bind(number(term.term.epoch))
    .bind(term.term.nonce.to_string())
    .bind(&term.master)
    .bind(&term.master_address)
    .bind(Timestamp::now().micros())
    .bind(term.needs_rebuild)
    .bind(term.mode.as_str())
    .bind(term.mode_changed_at.micros())
    .bind(number(term.expected_epoch))
    .execute(conn)
    .await
    .map_err(said("begin a term"))?;
    Ok(done.rows_affected() == 1)
}

/// Whether this term is the running one. Within a write transaction that stays so to its end.
pub(super) async fn stands(conn: &mut SqliteConnection, term: Term) -> CatalogResult<bool> {
    let row = sqlx::query("SELECT 1 FROM config WHERE id = 1 AND epoch = ?1 AND nonce = ?2")
        .bind(number(term.epoch))
        .bind(term.nonce.to_string())
        .fetch_optional(conn)
        .await
        .map_err(said("compare the term"))?;
    Ok(row.is_some())
}
