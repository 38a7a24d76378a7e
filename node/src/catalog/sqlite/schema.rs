//! The schema: brought up to date, or judged as it is.

use sqlx::migrate::Migrator;
use sqlx::{Row, SqliteConnection};

use super::error::said;
use crate::catalog::{CatalogError, CatalogResult};

static MIGRATOR: Migrator = sqlx::migrate!("../migrations/sqlite");

/// The version this program knows.
fn known() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The version the database has; 0 when it has none.
async fn found(conn: &mut SqliteConnection) -> CatalogResult<i64> {
    let there = sqlx::query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'")
        .fetch_optional(&mut *conn)
        .await
        .map_err(said("read the schema's version"))?;
    if there.is_none() {
        return Ok(0);
    }
    sqlx::query("SELECT coalesce(max(version), 0) AS version FROM _sqlx_migrations WHERE success")
        .fetch_one(conn)
        .await
        .and_then(|row| row.try_get("version"))
        .map_err(said("read the schema's version"))
}

/// Refuses a schema that this program cannot use. Schema changes only expand, so one newer can be used.
pub(super) async fn check(conn: &mut SqliteConnection) -> CatalogResult<()> {
    let (found, known) = (found(conn).await?, known());
    if found < known {
        return Err(CatalogError::SchemaOlder { found, wanted: known });
    }
    refuse_newer(found, known)
}

fn refuse_newer(found: i64, known: i64) -> CatalogResult<()> {
    if found > known + 1 { Err(CatalogError::SchemaNewer { found, known }) } else { Ok(()) }
}

/// Brings the schema up to date.
pub(super) async fn migrate(conn: &mut SqliteConnection) -> CatalogResult<()> {
    let found = found(conn).await?;
    refuse_newer(found, known())?;
    if found >= known() {
        return Ok(());
    }
    MIGRATOR
        .run_direct(None, conn, false)
        .await
        .map_err(|error| CatalogError::Unavailable { action: "bring its schema up to date", reason: error.to_string() })
}
