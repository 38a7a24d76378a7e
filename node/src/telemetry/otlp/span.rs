//! The span of a request, by OpenTelemetry's semantic conventions for HTTP servers.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::telemetry::TraceContext;
use crate::telemetry::metrics::{NO_ROUTE, known_method};

/// Name and version of what makes the spans, and of the service.
pub(super) const SERVICE: &str = "storage-node";
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

static SCOPE: LazyLock<InstrumentationScope> =
    LazyLock::new(|| InstrumentationScope::builder(SERVICE).with_version(VERSION).build());

/// What is told about a request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct FinishedRequest<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The matched template, such as `/api/v1/files/{id}`, else [`NO_ROUTE`].
    pub route: &'a str,
    /// The path, without the query. Not shown where no route matched: then it is any text at all.
    pub path: &'a str,
    /// How it was answered.
    pub status: StatusCode,
    /// From its head to its answer.
    pub took: Duration,
}

/// `None` only for a context with malformed ids, which [`TraceContext`] does not make.
pub(super) fn span(trace: &TraceContext, request: &FinishedRequest<'_>) -> Option<SpanData> {
    let end_time = SystemTime::now();
    let parent = trace.parent_id.as_deref().map(SpanId::from_hex).transpose().ok()?;
    let span_context = SpanContext::new(
        TraceId::from_hex(&trace.trace_id).ok()?,
        SpanId::from_hex(&trace.span_id).ok()?,
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    );
    // Methods have no bound in HTTP; unknown ones are told by these words.
    let (method, named) = match known_method(request.method) {
        "other" => ("_OTHER", "HTTP"),
        method => (method, method),
    };
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.response.status_code", i64::from(request.status.as_u16())),
    ];
    let name = if request.route == NO_ROUTE {
        named.into()
    } else {
        attributes.push(KeyValue::new("http.route", request.route.to_owned()));
        attributes.push(KeyValue::new("url.path", request.path.to_owned()));
        format!("{named} {}", request.route).into()
    };
    // A refusal is the client's error and not this node's.
    let status = if request.status.is_server_error() {
        attributes.push(KeyValue::new("error.type", request.status.as_str().to_owned()));
        Status::error("")
    } else {
        Status::Unset
    };
    Some(SpanData {
        span_context,
        parent_span_id: parent.unwrap_or(SpanId::INVALID),
        parent_span_is_remote: parent.is_some(),
        span_kind: SpanKind::Server,
        name,
        start_time: end_time.checked_sub(request.took).unwrap_or(end_time),
        end_time,
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: SCOPE.clone(),
    })
}
