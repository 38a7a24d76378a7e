//! Mode changes: prepared, committed or taken back, each in one conditional statement.
//!
//! The statement decides. Where it changed nothing, the row is read in the same transaction and says why.

use sqlx::postgres::PgArguments;
use sqlx::{PgConnection, Postgres, Row};

use super::config::row;
use super::error::said;
use super::{config, ended};
use crate::catalog::transition::Observed;
use crate::catalog::{CatalogError, CatalogResult, ConfigRow, ModeChange, RowGuard, Transition, TransitionVerdict};
use crate::model::{Timestamp, WalStatus};

/// The guard in a statement whose first three parameters [`guarded`] has bound. Any other kind lets nothing pass.
macro_rules! holds {
    () => {
        "CASE $1 WHEN 'term' THEN epoch = $2 AND nonce = $3 WHEN 'version' THEN row_version = $2 ELSE false END"
    };
}

/// Transactions on files that have not ended.
macro_rules! open_on_files {
    () => {
        "FROM wal WHERE status IN ('PENDING', 'FAILED') \
         AND operation_type IN ('FILE_CREATE', 'FILE_UPDATE', 'FILE_DELETE')"
    };
}

type Statement = sqlx::query::Query<'static, Postgres, PgArguments>;

fn guarded(sql: &'static str, guard: RowGuard) -> Statement {
    match guard {
        RowGuard::Term(term) => {
            sqlx::query(sql).bind("term").bind(config::number(term.epoch)).bind(Some(term.nonce.to_string()))
        }
        RowGuard::Version(version) => sqlx::query(sql).bind("version").bind(version).bind(None::<String>),
    }
}

/// The attempt as SQLite counts.
fn attempt(transition: &Transition, action: &'static str) -> CatalogResult<i64> {
    i64::try_from(transition.attempt)
        .map_err(|_| CatalogError::Refused { action, reason: format!("attempt {} is too high", transition.attempt) })
}

/// The row after a statement that changed it, or why it did not.
async fn told(
    conn: &mut PgConnection,
    changed: bool,
    guard: RowGuard,
    now: Timestamp,
    why: impl FnOnce(&Observed<'_>) -> TransitionVerdict,
) -> CatalogResult<TransitionVerdict> {
    let Some(config) = config::read(conn).await? else { return Ok(TransitionVerdict::Overtaken) };
    if changed {
        return Ok(TransitionVerdict::Done(Box::new(config)));
    }
    Ok(why(&Observed { config: &config, guard, now }))
}

/// Said by [`Observed`] of a row that the statement did not change: the two disagree, and the statement counts.
fn never_done(verdict: TransitionVerdict) -> TransitionVerdict {
    match verdict {
        TransitionVerdict::Done(_) => TransitionVerdict::Overtaken,
        verdict => verdict,
    }
}

/// Prepares a change, or extends the time of one that is prepared.
pub(super) async fn prepare(
    conn: &mut PgConnection,
    guard: RowGuard,
    transition: &Transition,
    hold_seconds: u32,
) -> CatalogResult<TransitionVerdict> {
    const ACTION: &str = "prepare a mode change";
    const SQL: &str = concat!(
        "UPDATE config SET transition = $4::text::jsonb, prepared_until = $8, row_version = row_version + 1, updated_at = $9 \
         WHERE id = 1 AND (",
        holds!(),
        " OR ($1 = 'version' AND transition ->> 'id' = $5 AND (transition ->> 'attempt')::bigint = $6 \
         AND transition ->> 'target' = $7 AND prepared_until > $9)) \
         AND CASE WHEN transition IS NULL THEN true WHEN transition ->> 'id' = $5 \
         THEN (transition ->> 'attempt')::bigint < $6 OR ((transition ->> 'attempt')::bigint = $6 AND transition ->> 'target' = $7) \
         ELSE coalesce(prepared_until, 0) <= $9 END"
    );
    let now = config::now(&mut *conn).await?;
    let json = serde_json::to_string(transition)
        .map_err(|error| CatalogError::Refused { action: ACTION, reason: error.to_string() })?;
    let done = guarded(SQL, guard)
        .bind(json)
        .bind(transition.id.clone())
        .bind(attempt(transition, ACTION)?)
        .bind(transition.target.as_str())
        .bind(now.plus_micros(i64::from(hold_seconds) * 1_000_000).micros())
        .bind(now.micros())
        .execute(&mut *conn)
        .await
        .map_err(said(ACTION))?;
    told(conn, done.rows_affected() == 1, guard, now, |row| never_done(row.prepare(transition))).await
}

/// Whether a prepared change may be committed, in a statement that sees all that was written before it.
pub(super) async fn may_commit(
    conn: &mut PgConnection,
    guard: RowGuard,
    transition: &Transition,
) -> CatalogResult<TransitionVerdict> {
    let now = config::now(&mut *conn).await?;
    let Some((config, open)) = read_with_open(conn).await? else { return Ok(TransitionVerdict::Overtaken) };
    Ok(Observed { config: &config, guard, now }.commit(transition, open))
}

/// The row, and how many transactions on files are open: of one moment.
async fn read_with_open(conn: &mut PgConnection) -> CatalogResult<Option<(ConfigRow, u64)>> {
    let row = sqlx::query(concat!(
        "SELECT ",
        row!(),
        ", (SELECT count(*) ",
        open_on_files!(),
        ") AS open_on_files FROM config WHERE id = 1"
    ))
    .fetch_optional(conn)
    .await
    .map_err(said("compare a mode change"))?;
    let Some(row) = row else { return Ok(None) };
    let open: i64 = row.try_get("open_on_files").map_err(said("compare a mode change"))?;
    Ok(Some((config::decode(&row)?, open.unsigned_abs())))
}

/// Commits a prepared change with its row of the log.
pub(super) async fn commit(
    conn: &mut PgConnection,
    guard: RowGuard,
    change: &ModeChange,
) -> CatalogResult<TransitionVerdict> {
    const ACTION: &str = "commit a mode change";
    const SQL: &str = concat!(
        "UPDATE config SET mode = $6, mode_changed_at = $7, mode_changed_by = $8, transition = NULL, \
         prepared_until = NULL, row_version = row_version + 1, updated_at = $9 \
         WHERE id = 1 AND ",
        holds!(),
        " AND transition ->> 'id' = $4 AND (transition ->> 'attempt')::bigint = $5 AND transition ->> 'target' = $6 \
         AND prepared_until > $9 AND NOT EXISTS (SELECT 1 ",
        open_on_files!(),
        ") AND NOT EXISTS (SELECT 1 FROM wal WHERE transaction_id = $10)"
    );
    let now = config::now(&mut *conn).await?;
    let transition = &change.transition;
    let done = guarded(SQL, guard)
        .bind(transition.id.clone())
        .bind(attempt(transition, ACTION)?)
        .bind(transition.target.as_str())
        .bind(change.at.micros())
        .bind(change.by.clone())
        .bind(now.micros())
        .bind(change.row.transaction_id)
        .execute(&mut *conn)
        .await
        .map_err(said(ACTION))?;
    if done.rows_affected() == 1 {
        // The statement looked for open transactions as of its beginning; until it had the row to itself an intent may
        // still have been accepted, once the time of the transition was over. Now no other can come.
        if let Some((_, open @ 1..)) = read_with_open(&mut *conn).await? {
            return Err(CatalogError::Unavailable {
                action: ACTION,
                reason: format!("{open} transactions were announced as its time ended: try again"),
            });
        }
        ended::insert(conn, &change.row, WalStatus::Committed, change.row.epoch).await?;
        return told(conn, true, guard, now, |_| TransitionVerdict::Overtaken).await;
    }
    let Some((config, open)) = read_with_open(&mut *conn).await? else { return Ok(TransitionVerdict::Overtaken) };
    if committed_before(conn, change).await? && config.mode == transition.target {
        return Ok(TransitionVerdict::Done(Box::new(config)));
    }
    Ok(never_done(Observed { config: &config, guard, now }.commit(transition, open)))
}

async fn committed_before(conn: &mut PgConnection, change: &ModeChange) -> CatalogResult<bool> {
    let found = sqlx::query(
        "SELECT 1 FROM wal WHERE transaction_id = $1 AND operation_type = 'MODE_CHANGE' AND status = 'COMMITTED'",
    )
    .bind(change.row.transaction_id)
    .fetch_optional(conn)
    .await
    .map_err(said("find a mode change in the log"))?;
    Ok(found.is_some())
}

/// Takes a prepared change back.
pub(super) async fn abort(conn: &mut PgConnection, guard: RowGuard, id: &str) -> CatalogResult<TransitionVerdict> {
    const SQL: &str = concat!(
        "UPDATE config SET transition = NULL, prepared_until = NULL, row_version = row_version + 1, updated_at = $5 \
         WHERE id = 1 AND ",
        holds!(),
        " AND transition ->> 'id' = $4"
    );
    let now = config::now(&mut *conn).await?;
    let done = guarded(SQL, guard)
        .bind(id.to_owned())
        .bind(now.micros())
        .execute(&mut *conn)
        .await
        .map_err(said("take a mode change back"))?;
    told(conn, done.rows_affected() == 1, guard, now, |row| row.aborted(id)).await
}
