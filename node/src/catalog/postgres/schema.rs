//! The schema: brought up to date, or judged as it is.

use sqlx::migrate::Migrator;
use sqlx::{PgConnection, Row};

use super::error::said;
use super::server::quoted;
use crate::catalog::{CatalogError, CatalogResult};

const READ: &str = "read the schema's version";
const MIGRATE: &str = "bring its schema up to date";

static MIGRATOR: Migrator = sqlx::migrate!("../migrations/postgres");

/// The version this program knows.
fn known() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The version the schema has; 0 when it has none.
async fn found(conn: &mut PgConnection, schema: &str) -> CatalogResult<i64> {
    let there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = '_sqlx_migrations')",
    )
    .bind(schema)
    .fetch_one(&mut *conn)
    .await
    .map_err(said(READ))?;
    if !there {
        return Ok(0);
    }
    sqlx::query("SELECT coalesce(max(version), 0) AS version FROM _sqlx_migrations WHERE success")
        .fetch_one(conn)
        .await
        .and_then(|row| row.try_get("version"))
        .map_err(said(READ))
}

/// Refuses a schema that this program cannot use. Schema changes only expand, so one newer can be used.
pub(super) async fn check(conn: &mut PgConnection, schema: &str) -> CatalogResult<()> {
    let (found, known) = (found(conn, schema).await?, known());
    if found < known {
        return Err(CatalogError::SchemaOlder { found, wanted: known });
    }
    refuse_newer(found, known)
}

fn refuse_newer(found: i64, known: i64) -> CatalogResult<()> {
    if found > known + 1 { Err(CatalogError::SchemaNewer { found, known }) } else { Ok(()) }
}

/// Brings the schema up to date, in the transaction it is called in: all of it, or nothing. Made if it is not there.
pub(super) async fn migrate(conn: &mut PgConnection, schema: &str) -> CatalogResult<()> {
    // Of two nodes that start at once the second waits here, and finds the work done. Building an index takes longer
    // than any other statement may.
    sqlx::query(
        "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '60s', true), \
         pg_advisory_xact_lock(hashtextextended('storage-element migrates ' || $1, 0))",
    )
    .bind(schema)
    .execute(&mut *conn)
    .await
    .map_err(said(MIGRATE))?;
    let found = found(conn, schema).await?;
    refuse_newer(found, known())?;
    if found >= known() {
        return Ok(());
    }
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(&mut *conn)
        .await
        .map_err(said(MIGRATE))?;
    // Asked first: a role that may not make schemas can use one that was made for it.
    if !there {
        let sql = format!("CREATE SCHEMA {}", quoted(schema));
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *conn).await.map_err(said(MIGRATE))?;
    }
    Migrator { locking: false, ..Migrator::with_migrations(MIGRATOR.migrations.to_vec()) }
        .run_direct(None, conn, false)
        .await
        .map_err(|error| CatalogError::Unavailable { action: MIGRATE, reason: error.to_string() })
}
