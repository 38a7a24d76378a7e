//! Whether a pooler that gives each transaction a session of its choice (PgBouncer in transaction mode) stands between.
//!
//! Such a pooler keeps nothing of a session: not its name, so a successor could end nobody; not its settings, its locks,
//! nor what it listens to. It is recognised by what it does, whatever it says about itself.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use uuid::Uuid;

use super::error::said;
use crate::catalog::{CatalogError, CatalogResult};

const ACTION: &str = "look for a pooler";

/// Whether a connection is a session of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sessions {
    /// It is.
    Kept,
    /// Each transaction may be in another session.
    NotKept,
}

/// Finds out. One connection leaves a mark in its session; then another opens a transaction, for which a pooler takes
/// the session that has just become free, mark and all; and the first, asked again, has to be given another session.
pub(super) async fn recognise(connect: &PgConnectOptions, schema: &str) -> CatalogResult<Sessions> {
    let mut first = connect.connect().await.map_err(said("be reached"))?;
    let mut second = connect.connect().await.map_err(said("be reached"))?;
    let mark = Uuid::new_v4().to_string();
    let mut kept = true;
    let (before, _) = session(&mut first, &format!("set_config('storage_element.mark', '{mark}', false)")).await?;
    // What goes in one simple query needs no statement kept between two of them.
    sqlx::raw_sql("BEGIN").execute(&mut second).await.map_err(said(ACTION))?;
    let (other, seen) = session(&mut second, "current_setting('storage_element.mark', true)").await?;
    kept &= other != before && seen.as_deref() != Some(mark.as_str());
    let (after, seen) = session(&mut first, "current_setting('storage_element.mark', true)").await?;
    kept &= after == before && seen.as_deref() == Some(mark.as_str());
    sqlx::raw_sql("ROLLBACK").execute(&mut second).await.map_err(said(ACTION))?;
    let verdict = if kept { Sessions::Kept } else { usable(&mut first, schema).await? };
    let _ = tokio::join!(first.close(), second.close());
    Ok(verdict)
}

/// The backend's number, and a value asked of the session it is in.
async fn session(conn: &mut PgConnection, value: &str) -> CatalogResult<(i32, Option<String>)> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT pg_backend_pid() AS pid, {value} AS value"));
    let rows = sqlx::Executor::fetch_one(&mut *conn, sqlx::raw_sql(sql)).await.map_err(said(ACTION))?;
    Ok((rows.try_get("pid").map_err(said(ACTION))?, rows.try_get("value").map_err(said(ACTION))?))
}

/// Where sessions are not kept the schema has to be the role's own: nothing can be set.
async fn usable(conn: &mut PgConnection, schema: &str) -> CatalogResult<Sessions> {
    let row = sqlx::Executor::fetch_one(&mut *conn, sqlx::raw_sql("SELECT current_setting('search_path') AS path"))
        .await
        .map_err(said(ACTION))?;
    let path: String = row.try_get("path").map_err(said(ACTION))?;
    let first = path.split(',').next().unwrap_or_default().trim().trim_matches('"').to_owned();
    if first == schema {
        return Ok(Sessions::NotKept);
    }
    Err(CatalogError::Refused {
        action: "be used through a pooler in transaction mode",
        reason: format!(
            "such a pooler keeps no settings, and the role's search_path begins with {first:?}: connect directly, set \
             pool_mode = session, or (one replica only) ALTER ROLE … SET search_path = {schema}"
        ),
    })
}
