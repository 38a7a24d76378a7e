//! `/docs`: the API's page, all of it from the program itself, under a strict Content-Security-Policy.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderValue, StatusCode};
use utoipa_swagger_ui::Config;

use super::error::{ApiError, ApiResult, Code};
use super::reply;

/// Scripts and calls only from and to this node. The page sets styles on its elements, so styles may stand inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// The docs page.
#[utoipa::path(
    get, path = "/docs", tag = "service", operation_id = "getDocs", security(()),
    responses((status = 200, description = "The docs page", content_type = "text/html", body = String)),
)]
pub async fn page() -> ApiResult<Response> {
    let mut response = file("index.html")?;
    // The page lies at /docs, what belongs to it below /docs/.
    let html = axum::body::to_bytes(std::mem::take(response.body_mut()), usize::MAX)
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let html = String::from_utf8_lossy(&html)
        .replace("=\"./", "=\"docs/")
        .replace("=\"index.css\"", "=\"docs/index.css\"")
        .replace("<title>Swagger UI</title>", "<title>Storage Element API</title>");
    *response.body_mut() = html.into();
    Ok(response)
}

/// What belongs to the docs page.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "service", operation_id = "getDocsFile", security(()),
    params(("file" = String, Path, description = "The file's name", example = "swagger-ui.css")),
    responses((status = 200, description = "A script, style or image of the docs page", content_type = "*/*", body = super::schema::FileBytes)),
)]
pub async fn asset(request: Request) -> ApiResult<Response> {
    let name = request.uri().path().strip_prefix("/docs/").unwrap_or_default();
    let mut response = file(name)?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(response)
}

fn file(name: &str) -> ApiResult<Response> {
    // Without the validator, which is a service on the internet.
    let config = Config::from("/openapi.json").validator_url("none").try_it_out_enabled(true);
    let file = utoipa_swagger_ui::serve(name, Arc::new(config))
        .map_err(|error| ApiError::internal(error.to_string()))?
        .ok_or_else(|| ApiError::new(Code::NotFound, "the docs page has no such file"))?;
    let content_type =
        HeaderValue::try_from(file.content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = reply::bytes_with(StatusCode::OK, content_type, file.bytes.into_owned());
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    Ok(response)
}
