//! What every request passes, in one layer: its id, its span, the limits of its head, CORS, panics, the error envelope,
//! the headers of every answer, metrics, the access log and the audit line.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, EXPECT, HOST, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};
use http_body::Body as _;
use tracing::Instrument as _;

use super::arrival::{self, Port};
use super::audit;
use super::error::{ApiError, ApiResult, Code};
use super::limits::URI_LIMIT_BYTES;
use super::passage::{Passage, TRACEPARENT};
use super::received::{self, Unread};
use super::request_id::{RequestId, X_REQUEST_ID};
use super::state::{AppState, Front};
use crate::telemetry::metrics::NO_ROUTE;
use crate::telemetry::otlp::FinishedRequest;
use crate::telemetry::request_span;

/// Answers are data: nothing in them may run, load or be framed.
const NOTHING_RUNS: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The layer around the router.
pub async fn front(State((app, port)): State<(AppState, Port)>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let front = app.front();
    let id = RequestId::of(request.headers());
    let traceparent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let trace = front.traces.continue_from(traceparent);
    let span = request_span(id.as_str(), &trace);
    let arrived = arrival::note(port, &mut request);
    let about = About::of(&request, port);
    let unread = received::watch(&mut request, &front.metrics);
    let audit = audit::begin(about.route(), &mut request);
    if audit.is_some() && front.forwarder.is_some() {
        request.extensions_mut().insert(Passage { request_id: id.clone(), trace: trace.clone() });
    }

    let mut response = async {
        let answer = match arrived.and_then(|()| check_head(&request, front)) {
            Ok(()) if about.may_be_a_page() && front.cors.is_preflight(&about.method, request.headers()) => {
                preflight(front, request.headers())
            }
            Ok(()) => match AssertUnwindSafe(next.run(request)).catch_unwind().await {
                Ok(response) => response,
                // The panic's text is in the log already (the panic hook), and belongs nowhere else.
                Err(_) => ApiError::internal("a handler panicked").into_response(),
            },
            Err(error) => error.into_response(),
        };
        let error = answer.extensions().get::<ApiError>();
        if let Some(audit) = audit {
            audit.end(error);
        }
        let took = begun.elapsed();
        front.metrics.request(&about.method, about.route(), answer.status(), took);
        front.traces.request(&trace, &about.finished(answer.status(), took));
        log(&about, answer.status(), error, took);
        answer
    }
    .instrument(span)
    .await;

    write_envelope(&mut response, &id);
    write_headers(&mut response, front, &about, &id, unread.as_ref());
    if let Some(bytes) = response.body().size_hint().exact().filter(|_| !about.streams()) {
        front.metrics.sent(if about.method == Method::HEAD { 0 } else { bytes });
    }
    response
}

/// What is still wanted of a request after the handler has taken it.
struct About {
    port: Port,
    method: Method,
    version: Version,
    uri: Uri,
    route: Option<MatchedPath>,
    has_token: bool,
    origin: Option<HeaderValue>,
}

impl About {
    fn of(request: &Request, port: Port) -> Self {
        Self {
            port,
            method: request.method().clone(),
            version: request.version(),
            uri: request.uri().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            has_token: request.headers().contains_key(AUTHORIZATION),
            origin: request.headers().get(ORIGIN).cloned(),
        }
    }

    /// The template of the path, such as `/api/v1/files/{id}`.
    fn route(&self) -> &str {
        self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str)
    }

    fn finished(&self, status: StatusCode, took: Duration) -> FinishedRequest<'_> {
        FinishedRequest { method: &self.method, route: self.route(), path: self.uri.path(), status, took }
    }

    /// Whether a browser may have sent it: none reaches the peer port.
    fn may_be_a_page(&self) -> bool {
        self.port == Port::Public
    }

    /// Downloads count their bytes themselves, as they are sent.
    fn streams(&self) -> bool {
        self.route().ends_with("/download")
    }
}

/// Refuses what is wrong with a request's head, before anything looks at its path.
fn check_head(request: &Request, front: &Front) -> ApiResult<()> {
    let headers = request.headers();
    let uri_bytes = request.uri().path_and_query().map_or(0, |uri| uri.as_str().len());
    if uri_bytes > URI_LIMIT_BYTES {
        return Err(ApiError::new(Code::UriTooLong, format!("path and query are longer than {URI_LIMIT_BYTES} bytes")));
    }
    // Four bytes a line: colon, blank and line end.
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let limit = front.limits.header_bytes;
    if bytes + uri_bytes > limit {
        return Err(ApiError::new(Code::HeadersTooLarge, format!("the head is larger than {limit} bytes")));
    }
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(ApiError::invalid("Host", "a request has one Host header"));
    }
    match headers.get(EXPECT) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(ApiError::new(Code::ExpectationFailed, "only Expect: 100-continue is understood"))
        }
        _ => Ok(()),
    }
}

fn preflight(front: &Front, request: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    front.cors.preflight(request, response.headers_mut());
    response
}

fn write_envelope(response: &mut Response, id: &RequestId) {
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return };
    *response.body_mut() = Body::from(error.envelope(id.as_str()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in error.headers() {
        headers.insert(name, value.clone());
    }
}

fn write_headers(response: &mut Response, front: &Front, about: &About, id: &RequestId, unread: Option<&Unread>) {
    let has_policy = response.headers().contains_key(CONTENT_SECURITY_POLICY);
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.header_value());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !has_policy {
        headers.insert(CONTENT_SECURITY_POLICY, NOTHING_RUNS);
    }
    if about.has_token || about.uri.path().starts_with("/api/") {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    }
    if about.may_be_a_page() && front.cors.is_on() {
        front.cors.answer(about.origin.as_ref(), headers);
    }
    // What is left of the body would be taken for the next request: this connection ends here (RFC 9112 §9.3).
    if about.version <= Version::HTTP_11 && unread.is_some_and(Unread::is_unread) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The access log, and the reason of what failed: a fault of the node is an error, a refusal is not.
fn log(about: &About, status: StatusCode, error: Option<&ApiError>, took: Duration) {
    let (method, path, status) = (about.method.as_str(), about.uri.path(), status.as_u16());
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match error {
        Some(error) if error.status().is_server_error() => {
            let reason = error.log().unwrap_or(error.message());
            tracing::error!(method, path, status, duration_ms, code = error.code().as_str(), reason, "request failed");
        }
        Some(error) => {
            tracing::info!(method, path, status, duration_ms, code = error.code().as_str(), "request refused");
        }
        None => tracing::info!(method, path, status, duration_ms, "request answered"),
    }
}
