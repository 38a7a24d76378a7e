//! `GET /health/live` and `/health/ready`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiResult;
use super::reply;
use super::state::AppState;
use crate::element::{Health, PartHealth};

/// That the process lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the node can work, and the state of each part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ready` or `unready`.
    #[schema(value_type = super::schema::ReadyName)]
    status: &'static str,
    parts: Parts,
}

/// The parts readiness depends on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Parts {
    database: Part,
    storage: Part,
    keys: Part,
    mode: Part,
    election: Part,
}

/// The state of a part.
#[derive(Debug, Serialize, ToSchema)]
pub struct Part {
    /// `ok` or `failed`.
    #[schema(value_type = super::schema::PartName)]
    status: &'static str,
    /// What is wrong, or what it is.
    message: String,
}

impl From<PartHealth> for Part {
    fn from(part: PartHealth) -> Self {
        Self { status: if part.ok { "ok" } else { "failed" }, message: part.message }
    }
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/health/live", tag = "service", operation_id = "getLive", security(()),
    responses((status = 200, description = "It lives", body = Live)),
)]
pub async fn live() -> ApiResult<Response> {
    reply::json(&Live { status: "ok" })
}

/// Whether the node can work: database, storage, keys, mode and election.
#[utoipa::path(
    get, path = "/health/ready", tag = "service", operation_id = "getReady", security(()),
    responses(
        (status = 200, description = "It can work", body = Ready),
        (status = 503, description = "A part cannot", body = Ready),
    ),
)]
pub async fn ready(State(app): State<AppState>) -> ApiResult<Response> {
    let keys = app.front().authenticator.keys().status();
    let Health { database, storage, mode, election } = match app.services() {
        Ok(services) => services.element.health().await,
        Err(_) => Health::starting(app.missing()),
    };
    let all = [&database, &storage, &keys, &mode, &election].iter().all(|part| part.ok);
    let parts = Parts {
        database: database.into(),
        storage: storage.into(),
        keys: keys.into(),
        mode: mode.into(),
        election: election.into(),
    };
    let (code, status) = if all { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "unready") };
    reply::json_with(code, &Ready { status, parts })
}
