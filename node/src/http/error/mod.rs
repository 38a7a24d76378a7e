//! The one place that turns what went wrong into the error envelope.
//!
//! A handler's error travels as an extension of its response; the front ([`super::front`]) writes the envelope, because
//! it knows the request id.

mod code;
mod from;

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use code::Code;

/// Result of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub struct ApiError(Box<Content>);

#[derive(Clone, Debug)]
struct Content {
    code: Code,
    message: Cow<'static, str>,
    details: Map<String, Value>,
    log: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// An error with a message for people: what happened, to which thing, what to do next.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let content =
            Content { code, message: message.into(), details: Map::new(), log: None, headers: Vec::with_capacity(1) };
        let error = Self(Box::new(content));
        match code.retry_after_seconds() {
            Some(seconds) => error.header(RETRY_AFTER, HeaderValue::from(seconds)),
            None => error,
        }
    }

    /// A part of the request that cannot be taken (400): which, and what would be right.
    pub fn invalid(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::ValidationError, message).detail("field", field.into())
    }

    /// A defect (500): the client learns the request id only, the log learns `log`.
    pub fn internal(log: impl Into<String>) -> Self {
        Self::new(
            Code::InternalError,
            "the node could not do this because of a defect: give this request id to whoever runs it",
        )
        .logged(log)
    }

    /// A body that is not a file is larger than allowed (413).
    pub fn body_too_large(limit: u64) -> Self {
        Self::new(Code::BodyTooLarge, format!("the body is larger than the {limit} bytes allowed here"))
            .detail("limit", limit)
    }

    /// A file is larger than allowed (413).
    pub fn file_too_large(limit: u64) -> Self {
        Self::new(Code::FileTooLarge, format!("the file is larger than the {limit} bytes allowed here"))
            .detail("limit", limit)
    }

    /// The client sent no byte of its body for too long (408).
    pub fn stalled(seconds: u64) -> Self {
        Self::new(Code::RequestTimeout, format!("no byte of the body came for {seconds} s: send the request again"))
    }

    /// The node is still starting (503).
    pub fn starting() -> Self {
        Self::new(Code::Recovering, "the node is starting and settles what was interrupted: try again shortly")
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// A member of `details`.
    #[must_use]
    pub fn detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.details.insert(key.to_owned(), value.into());
        self
    }

    /// What only the log is told.
    #[must_use]
    pub fn logged(mut self, log: impl Into<String>) -> Self {
        self.0.log = Some(log.into());
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What the client is told.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What only the log is told.
    pub fn log(&self) -> Option<&str> {
        self.0.log.as_deref()
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The headers of the answer.
    pub(super) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// The envelope's bytes.
    pub(super) fn envelope(&self, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: Inner<'a>,
        }
        #[derive(Serialize)]
        struct Inner<'a> {
            code: &'a str,
            message: &'a str,
            details: &'a Map<String, Value>,
            request_id: &'a str,
        }
        let error = Inner { code: self.code().as_str(), message: self.message(), details: &self.0.details, request_id };
        // Strings and JSON values always serialise; the fallback keeps the shape all the same.
        serde_json::to_vec(&Envelope { error })
            .unwrap_or_else(|_| json!({"error": {"code": "INTERNAL_ERROR"}}).to_string().into_bytes())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}
