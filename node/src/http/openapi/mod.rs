//! The OpenAPI 3.1 document, generated from the code of the routes.

mod complete;

use std::sync::LazyLock;

use axum::response::Response;
use complete::Complete;
use http::{HeaderValue, StatusCode};
use utoipa::OpenApi;

use super::error::ApiResult;
use super::reply;
use super::{
    admin, capacity, delete, docs, download, health, info, legal_hold, list, metadata, metrics_page, patch, root,
    schema, upload,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Storage Element",
        description = "Keeps files, each beside a description of its own. Errors of every route have one envelope.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        root::root, health::live, health::ready, metrics_page::metrics, document, docs::page, docs::asset,
        upload::upload, list::list, list::search, metadata::get, patch::patch, delete::delete, download::download,
        legal_hold::set, legal_hold::lift,
        info::info, capacity::capacity,
        admin::config::config, admin::mode::mode, admin::mode_change::change, admin::start::rebuild, admin::start::verify,
        admin::start::gc, admin::jobs::list, admin::jobs::get, admin::jobs::cancel, admin::wal::list, admin::wal::retry,
    ),
    components(schemas(schema::ErrorEnvelope)),
    tags(
        (name = "files", description = "Files and what is known of them"),
        (name = "element", description = "The element as a whole"),
        (name = "admin", description = "For admins"),
        (name = "service", description = "Health, metrics and documentation, without a token"),
    ),
    security(("token" = [])),
    modifiers(&Complete),
)]
struct Document;

static JSON: LazyLock<String> =
    LazyLock::new(|| Document::openapi().to_pretty_json().unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")));

/// The document as JSON.
pub fn openapi_json() -> String {
    JSON.clone()
}

/// This API's OpenAPI document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "service", operation_id = "getOpenApi", security(()),
    responses((status = 200, description = "The OpenAPI 3.1 document", content_type = "application/json", body = schema::AnyObject)),
)]
pub async fn document() -> ApiResult<Response> {
    Ok(reply::bytes_with(StatusCode::OK, HeaderValue::from_static("application/json"), JSON.as_str()))
}

#[cfg(test)]
mod tests;
