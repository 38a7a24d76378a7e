//! Under which id and in which trace a request is answered: an extension of writes, for whoever passes them on.

use http::HeaderName;

use super::request_id::RequestId;
use crate::telemetry::TraceContext;

/// The header that a trace is continued by (W3C Trace Context).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The id and the trace of a request.
#[derive(Clone, Debug)]
pub struct Passage {
    /// The id.
    pub request_id: RequestId,
    /// The place in a trace.
    pub trace: TraceContext,
}
