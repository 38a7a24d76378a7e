//! `GET /admin/jobs`, `GET` and `DELETE /admin/jobs/{id}`.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::catalog::JobRow;
use crate::http::caller::AsAdmin;
use crate::http::error::{ApiError, ApiResult, Code};
use crate::http::forward::AtMasterByHead;
use crate::http::path::job_id;
use crate::http::query::{DEFAULT_LIMIT, limit, pairs};
use crate::http::reply;
use crate::http::state::AppState;
use crate::model::Timestamp;

/// A job, as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct Job<'a> {
    /// The job.
    #[serde(rename = "job_id")]
    id: Uuid,
    /// What it does.
    #[schema(value_type = crate::http::schema::JobKindName)]
    kind: &'static str,
    /// How it stands.
    #[schema(value_type = crate::http::schema::JobStateName)]
    state: &'static str,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended; `null` while it runs.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    finished_at: Option<Timestamp>,
    /// How far it is.
    #[schema(value_type = crate::http::schema::JobProgress)]
    progress: &'a serde_json::Value,
    /// What it found or did, depending on the kind, or why it failed; `null` until it has ended.
    #[schema(required, value_type = Option<Object>, additional_properties = true)]
    report: Option<&'a serde_json::Value>,
}

impl<'a> From<&'a JobRow> for Job<'a> {
    fn from(row: &'a JobRow) -> Self {
        Self {
            id: row.job_id,
            kind: row.kind.as_str(),
            state: row.state.as_str(),
            started_at: row.started_at,
            finished_at: row.finished_at,
            progress: &row.progress,
            report: row.report.as_ref(),
        }
    }
}

/// The latest jobs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobList)]
pub struct JobList<'a> {
    /// Newest first.
    items: Vec<Job<'a>>,
    #[schema(minimum = 1, maximum = 1000)]
    limit: u32,
    /// Whether there are older ones.
    has_more: bool,
}

/// The latest jobs, newest first.
#[utoipa::path(
    get, path = "/api/v1/admin/jobs", tag = "admin", operation_id = "listJobs",
    params(crate::http::schema::LimitParam),
    responses((status = 200, description = "The latest jobs", body = JobList)),
)]
pub async fn list(State(app): State<AppState>, _caller: AsAdmin, request: Request) -> ApiResult<Response> {
    let limit = read(request.uri().query())?;
    // One more than asked for tells whether there are older ones.
    let mut rows = app.services()?.jobs.jobs(limit + 1).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    reply::json(&JobList { items: rows.iter().map(Job::from).collect(), limit, has_more })
}

/// A job: its progress while it runs, its report when it has ended.
#[utoipa::path(
    get, path = "/api/v1/admin/jobs/{id}", tag = "admin", operation_id = "getJob",
    params(crate::http::schema::JobIdParam),
    responses((status = 200, description = "The job", body = Job)),
)]
pub async fn get(State(app): State<AppState>, _caller: AsAdmin, request: Request) -> ApiResult<Response> {
    let id = job_id(request.uri())?;
    let row = app.services()?.jobs.job(id).await?.ok_or_else(|| none(id))?;
    reply::json(&Job::from(&row))
}

/// Cancel a job. It ends at the next file; one that has ended already stays as it is.
#[utoipa::path(
    delete, path = "/api/v1/admin/jobs/{id}", tag = "admin", operation_id = "cancelJob",
    params(crate::http::schema::JobIdParam),
    responses((status = 202, description = "It will end, or has ended", body = Job)),
)]
pub async fn cancel(
    State(app): State<AppState>,
    _caller: AsAdmin,
    AtMasterByHead(request): AtMasterByHead,
) -> ApiResult<Response> {
    let id = job_id(request.uri())?;
    let row = app.services()?.jobs.cancel(id).await?.ok_or_else(|| none(id))?;
    reply::json_with(StatusCode::ACCEPTED, &Job::from(&row))
}

fn none(id: Uuid) -> ApiError {
    ApiError::new(Code::NotFound, format!("there is no job {id}: see GET /api/v1/admin/jobs"))
}

fn read(query: Option<&str>) -> ApiResult<u32> {
    let mut rows = None;
    for pair in pairs(query) {
        let (key, value) = pair?;
        if key != "limit" {
            return Err(ApiError::invalid(key.clone(), format!("there is no parameter {key} here")));
        }
        if rows.replace(limit(&value)?).is_some() {
            return Err(ApiError::invalid("limit", "the parameter limit is given twice"));
        }
    }
    Ok(rows.unwrap_or(DEFAULT_LIMIT))
}
