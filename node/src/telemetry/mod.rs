//! What the node tells about itself: logs and metrics.

pub mod logs;
pub mod metrics;

mod request;

pub use request::{REQUEST_SPAN, TraceContext, record_user, request_span};
