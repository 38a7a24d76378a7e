//! Answers in JSON.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::error::{ApiError, ApiResult};

/// 200 with `value` as JSON.
pub fn json(value: &impl Serialize) -> ApiResult<Response> {
    json_with(StatusCode::OK, value)
}

/// `status` with `value` as JSON.
pub fn json_with(status: StatusCode, value: &impl Serialize) -> ApiResult<Response> {
    let mut bytes = Vec::with_capacity(1024);
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| ApiError::internal(format!("an answer could not be written as JSON: {error}")))?;
    Ok(bytes_with(status, HeaderValue::from_static("application/json"), bytes))
}

/// `status` with a body of a media type.
pub fn bytes_with(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
