//! `GET /admin/config`.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::ConfigItem;
use crate::http::caller::AsAdmin;
use crate::http::error::ApiResult;
use crate::http::reply;
use crate::http::state::AppState;

/// The effective configuration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Configuration)]
pub struct Configuration<'a> {
    /// Every key with its value and where that comes from; secrets are masked.
    #[schema(value_type = Vec<crate::http::schema::ConfigurationItem>)]
    items: &'a [ConfigItem],
}

/// The effective configuration, secrets masked, with the source of each value.
#[utoipa::path(
    get, path = "/api/v1/admin/config", tag = "admin", operation_id = "getConfig",
    responses((status = 200, description = "The effective configuration", body = Configuration)),
)]
pub async fn config(State(app): State<AppState>, _caller: AsAdmin) -> ApiResult<Response> {
    reply::json(&Configuration { items: &app.front().config })
}
