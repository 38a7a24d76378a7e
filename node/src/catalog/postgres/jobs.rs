//! Jobs: rows of a table, one running of a kind.

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::config::clock;
use super::error::said;
use crate::catalog::{CatalogError, CatalogResult, JobKind, JobRow, JobState};
use crate::model::Timestamp;

const READ: &str = "read jobs";

/// Ended jobs that are kept.
const ENDED_KEPT: i64 = 100;

/// Begins a job: the unique index over running ones of a kind decides. Asked again, the same job has begun.
pub(super) async fn start(conn: &mut PgConnection, job: &JobRow) -> CatalogResult<bool> {
    const ACTION: &str = "begin a job";
    let id = job.job_id;
    let written = sqlx::query(
        "INSERT INTO jobs (job_id, kind, state, started_at, progress, report, node) \
         VALUES ($1, $2, 'running', $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(id)
    .bind(job.kind.as_str())
    .bind(job.started_at.micros())
    .bind(job.progress.to_string())
    .bind(job.report.as_ref().map(Value::to_string))
    .bind(&job.node)
    .execute(&mut *conn)
    .await
    .map_err(said(ACTION))?;
    prune(conn).await?;
    if written.rows_affected() == 1 {
        return Ok(true);
    }
    let own = sqlx::query("SELECT 1 FROM jobs WHERE job_id = $1 AND state = 'running'")
        .bind(id)
        .fetch_optional(conn)
        .await
        .map_err(said(ACTION))?;
    Ok(own.is_some())
}

/// Writes how a running job stands. An ended one without an end has ended now.
pub(super) async fn update(conn: &mut PgConnection, job: &JobRow) -> CatalogResult<bool> {
    let ended = job.state != JobState::Running;
    let finished_at = ended.then(|| job.finished_at.unwrap_or_else(Timestamp::now).micros());
    let written = sqlx::query(
        "UPDATE jobs SET state = $2, finished_at = $3, progress = $4, report = $5 \
         WHERE job_id = $1 AND state = 'running'",
    )
    .bind(job.job_id)
    .bind(job.state.as_str())
    .bind(finished_at)
    .bind(job.progress.to_string())
    .bind(job.report.as_ref().map(Value::to_string))
    .execute(&mut *conn)
    .await
    .map_err(said("note how a job stands"))?;
    if ended {
        prune(conn).await?;
    }
    Ok(written.rows_affected() == 1)
}

/// Marks running jobs of a node, or of all, as interrupted.
pub(super) async fn interrupt(conn: &mut PgConnection, node: Option<&str>) -> CatalogResult<u64> {
    let marked = sqlx::query(concat!(
        "UPDATE jobs SET state = 'interrupted', finished_at = ",
        clock!(),
        " WHERE state = 'running' AND ($1::text IS NULL OR node = $1)"
    ))
    .bind(node)
    .execute(&mut *conn)
    .await
    .map_err(said("mark jobs as interrupted"))?;
    prune(conn).await?;
    Ok(marked.rows_affected())
}

async fn prune(conn: &mut PgConnection) -> CatalogResult<()> {
    sqlx::query(
        "DELETE FROM jobs WHERE job_id IN (SELECT job_id FROM jobs WHERE state <> 'running' \
         ORDER BY started_at DESC, job_id DESC LIMIT ALL OFFSET $1)",
    )
    .bind(ENDED_KEPT)
    .execute(conn)
    .await
    .map(drop)
    .map_err(said("forget old jobs"))
}

/// The latest jobs, newest first.
pub(super) async fn latest(conn: &mut PgConnection, limit: u32) -> CatalogResult<Vec<JobRow>> {
    let rows = sqlx::query("SELECT * FROM jobs ORDER BY started_at DESC, job_id DESC LIMIT $1")
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await
        .map_err(said(READ))?;
    rows.iter().map(read).collect()
}

/// One job.
pub(super) async fn one(conn: &mut PgConnection, job_id: Uuid) -> CatalogResult<Option<JobRow>> {
    let row = sqlx::query("SELECT * FROM jobs WHERE job_id = $1")
        .bind(job_id)
        .fetch_optional(conn)
        .await
        .map_err(said(READ))?;
    row.as_ref().map(read).transpose()
}

fn read(row: &PgRow) -> CatalogResult<JobRow> {
    let cannot = said(READ);
    let corrupt = |reason: String| CatalogError::Corrupt { what: "row of a job".to_owned(), reason };
    let text = |column: &str| row.try_get::<&str, _>(column).map_err(&cannot);
    let json = |text: &str| serde_json::from_str(text).map_err(|error| corrupt(error.to_string()));
    let (kind, state) = (text("kind")?, text("state")?);
    let report: Option<&str> = row.try_get("report").map_err(&cannot)?;
    let finished_at: Option<i64> = row.try_get("finished_at").map_err(&cannot)?;
    Ok(JobRow {
        job_id: row.try_get("job_id").map_err(&cannot)?,
        kind: JobKind::parse(kind).ok_or_else(|| corrupt(format!("kind {kind}")))?,
        state: JobState::parse(state).ok_or_else(|| corrupt(format!("state {state}")))?,
        started_at: Timestamp::from_micros(row.try_get("started_at").map_err(&cannot)?),
        finished_at: finished_at.map(Timestamp::from_micros),
        progress: json(text("progress")?)?,
        report: report.map(json).transpose()?,
        node: text("node")?.to_owned(),
    })
}
