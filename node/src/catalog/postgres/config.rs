//! The singleton row: who the element is, its mode, its term.

use serde_json::from_str;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use storage_element_crds::Mode;

use super::error::said;
use crate::catalog::{CatalogError, CatalogResult, ConfigRow, NewElement, NewTerm};
use crate::model::{Epoch, Nonce, Term, Timestamp};

/// The catalog's clock, in microseconds. Not `now()`, which stands still within a transaction.
macro_rules! clock {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}
pub(super) use clock;

/// All columns of the row, as [`decode`] reads them.
macro_rules! row {
    () => {
        "element_id, catalog_id, mode, mode_changed_at, mode_changed_by, transition::text AS transition, \
         prepared_until, epoch, nonce, row_version, master, master_address, master_elected_at, last_cache_rebuild, \
         needs_rebuild, created_at, updated_at"
    };
}
pub(super) use row;

const READ: &str = "read the element's row";

/// Reads the row.
pub(super) async fn read(conn: &mut PgConnection) -> CatalogResult<Option<ConfigRow>> {
    let row = sqlx::query(concat!("SELECT ", row!(), " FROM config WHERE id = 1"))
        .fetch_optional(conn)
        .await
        .map_err(said(READ))?;
    row.as_ref().map(decode).transpose()
}

/// The row from all its columns.
pub(super) fn decode(row: &PgRow) -> CatalogResult<ConfigRow> {
    let cannot = said(READ);
    let text = |column: &str| row.try_get::<Option<String>, _>(column).map_err(&cannot);
    let time = |column: &str| row.try_get::<Option<i64>, _>(column).map(|at| at.map(Timestamp::from_micros));
    let moment = |column: &str| row.try_get(column).map(Timestamp::from_micros).map_err(&cannot);
    let mode: String = row.try_get("mode").map_err(&cannot)?;
    Ok(ConfigRow {
        element_id: row.try_get("element_id").map_err(&cannot)?,
        catalog_id: row.try_get("catalog_id").map_err(&cannot)?,
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

/// An epoch as SQL counts: one beyond its numbers cannot stand there.
pub(super) fn number(epoch: Epoch) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}

/// Writes the row of a new catalog, if there is none.
pub(super) async fn create(conn: &mut PgConnection, element: &NewElement) -> CatalogResult<()> {
    sqlx::query(concat!(
        "INSERT INTO config (id, element_id, catalog_id, mode, mode_changed_at, needs_rebuild, created_at, updated_at) \
         SELECT 1, $1, $2, $3, $4, $5, at, at FROM (SELECT ",
        clock!(),
        " AS at) AS clock ON CONFLICT (id) DO NOTHING"
    ))
    .bind(element.element_id)
    .bind(element.catalog_id)
    .bind(element.mode.as_str())
    .bind(element.mode_changed_at.micros())
    .bind(element.needs_rebuild)
    .execute(conn)
    .await
    .map(drop)
    .map_err(said("write the element's row"))
}

/// Begins a term in one conditional statement; false when another began meanwhile. It waits for intents that share the
/// row: those are in the log, for this term to settle, and later ones find the term over. A transition to the mode it
/// writes was done by the term before, up to this row: it would close the door to a successor that has nothing left to
/// change.
pub(super) async fn begin_term(conn: &mut PgConnection, term: &NewTerm) -> CatalogResult<bool> {
    let done = sqlx::query(concat!(
        "UPDATE config SET epoch = $1, nonce = $2, master = $3, master_address = $4, master_elected_at = ",
        clock!(),
        ", needs_rebuild = needs_rebuild OR $5, mode = $6, mode_changed_at = $7, row_version = row_version + 1, \
         transition = CASE WHEN transition ->> 'target' = $6 THEN NULL ELSE transition END, \
         prepared_until = CASE WHEN transition ->> 'target' = $6 THEN NULL ELSE prepared_until END, \
         updated_at = ",
        clock!(),
        " WHERE id = 1 AND epoch = $8 AND epoch < $1"
    ))
    .bind(number(term.term.epoch))
    .bind(term.term.nonce.to_string())
    .bind(&term.master)
    .bind(&term.master_address)
    .bind(term.needs_rebuild)
    .bind(term.mode.as_str())
    .bind(term.mode_changed_at.micros())
    .bind(number(term.expected_epoch))
    .execute(conn)
    .await
    .map_err(said("begin a term"))?;
    Ok(done.rows_affected() == 1)
}

/// Whether this term is the running one. A successor ends this session before it begins and once more after, so what
/// follows in the transaction is rolled back, or was committed before the successor looks.
pub(super) async fn stands(conn: &mut PgConnection, term: Term) -> CatalogResult<bool> {
    let row = sqlx::query("SELECT 1 FROM config WHERE id = 1 AND epoch = $1 AND nonce = $2")
        .bind(number(term.epoch))
        .bind(term.nonce.to_string())
        .fetch_optional(conn)
        .await
        .map_err(said("compare the term"))?;
    Ok(row.is_some())
}

/// The catalog's clock.
pub(super) async fn now(conn: &mut PgConnection) -> CatalogResult<Timestamp> {
    sqlx::query_scalar(concat!("SELECT ", clock!()))
        .fetch_one(conn)
        .await
        .map(Timestamp::from_micros)
        .map_err(said("read its clock"))
}
