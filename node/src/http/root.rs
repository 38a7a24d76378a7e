//! `/`: what this is, for programs and for people.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::HeaderMap;
use http::header::ACCEPT;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::ApiResult;
use super::reply;
use super::state::AppState;

/// What this is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceInfo {
    /// Always `storage-element`.
    #[schema(example = "storage-element")]
    service: &'static str,
    /// The program's version.
    version: &'static str,
    /// The element; `null` while the node starts.
    #[schema(required)]
    element_id: Option<Uuid>,
    /// Where to go on.
    links: Links,
}

/// Where to go on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Links {
    info: &'static str,
    docs: &'static str,
    openapi: &'static str,
    live: &'static str,
    ready: &'static str,
    metrics: &'static str,
}

/// What this is; a browser that asks for HTML is sent to the docs page.
#[utoipa::path(
    get, path = "/", tag = "service", operation_id = "getService", security(()),
    responses(
        (status = 200, description = "What this is", body = ServiceInfo),
        (status = 303, description = "A browser is sent to the docs page", headers(("Location" = String))),
    ),
)]
pub async fn root(State(app): State<AppState>, request: Request) -> ApiResult<Response> {
    if prefers_html(request.headers()) {
        return Ok(Redirect::to("/docs").into_response());
    }
    without_docs(State(app)).await
}

/// What this is, where there is no docs page to send a browser to.
pub async fn without_docs(State(app): State<AppState>) -> ApiResult<Response> {
    reply::json(&ServiceInfo {
        service: "storage-element",
        version: env!("CARGO_PKG_VERSION"),
        element_id: app.services().ok().map(|services| services.element.view().element_id),
        links: Links {
            info: "/api/v1/info",
            docs: "/docs",
            openapi: "/openapi.json",
            live: "/health/live",
            ready: "/health/ready",
            metrics: "/metrics",
        },
    })
}

/// Whether `text/html` is named, as browsers do and programs do not.
fn prefers_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value
            .split(',')
            .any(|range| range.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html")))
    })
}
