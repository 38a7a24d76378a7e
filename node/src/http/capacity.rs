//! `GET /capacity`.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::AsUser;
use super::error::ApiResult;
use super::reply;
use super::state::AppState;
use crate::element::Capacity;

/// Bytes of the element's storage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Capacity)]
pub struct CapacityInfo {
    /// In all; `null` without a limit.
    #[schema(required, minimum = 0)]
    total: Option<u64>,
    /// In use.
    #[schema(minimum = 0)]
    used: u64,
    /// Still to be written; `null` without a limit.
    #[schema(required, minimum = 0)]
    available: Option<u64>,
    /// What that means.
    #[schema(value_type = super::schema::LevelName)]
    level: &'static str,
}

impl From<Capacity> for CapacityInfo {
    fn from(capacity: Capacity) -> Self {
        let Capacity { total, used, available, level } = capacity;
        Self { total, used, available, level: level.as_str() }
    }
}

/// How full the element is.
#[utoipa::path(
    get, path = "/api/v1/capacity", tag = "element", operation_id = "getCapacity",
    responses((status = 200, description = "How full the element is", body = CapacityInfo)),
)]
pub async fn capacity(State(app): State<AppState>, _caller: AsUser) -> ApiResult<Response> {
    reply::json(&CapacityInfo::from(app.services()?.element.capacity().await))
}
