//! What the node tells about itself: logs, metrics and traces.

pub mod logs;
pub mod metrics;
pub mod otlp;

mod request;

pub use request::{REQUEST_SPAN, TraceContext, record_user, request_span};
