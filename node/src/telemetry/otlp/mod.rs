//! Spans of requests, sent to an OpenTelemetry collector (OTLP over HTTP, protobuf).
//!
//! A request never waits for it: spans go through a bounded queue, and what does not fit or is not taken is dropped and
//! counted. Source of the rule: the product specification, `10-node`, Observability.

mod collector;
mod export;
mod span;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc;

use super::TraceContext;

pub use collector::OtlpError;
pub use export::Export;
pub use span::FinishedRequest;

/// Spans that may wait to be sent; the default of OpenTelemetry (`OTEL_BSP_MAX_QUEUE_SIZE`), about a megabyte.
const QUEUE_SPANS: usize = 2048;

/// Takes the span of each request, if there is somewhere to send it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Traces(Option<Recorder>);

#[derive(Clone)]
struct Recorder {
    queue: mpsc::Sender<SpanData>,
    dropped: Arc<AtomicU64>,
}

impl Traces {
    /// Traces are continued for the log, and not exported.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Spans go to the collector at `endpoint`, such as `http://collector:4318`; `/v1/traces` is added. [`Export::run`]
    /// sends them. `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_EXPORTER_OTLP_HEADERS` of the environment are honoured.
    ///
    /// # Errors
    /// When `endpoint` is no URL, or asks for TLS where no authority is trusted.
    pub fn open(endpoint: &str) -> Result<(Self, Export), OtlpError> {
        let (queue, queued) = mpsc::channel(QUEUE_SPANS);
        let dropped = Arc::<AtomicU64>::default();
        let export = Export::open(endpoint, queued, Arc::clone(&dropped))?;
        Ok((Self(Some(Recorder { queue, dropped })), export))
    }

    /// Continues the trace of a `traceparent` header, as [`TraceContext::continue_from`] does. A trace that begins here
    /// is sampled if spans are exported: nobody before this node could decide that.
    pub fn continue_from(&self, traceparent: Option<&str>) -> TraceContext {
        let mut trace = TraceContext::continue_from(traceparent);
        trace.sampled |= trace.parent_id.is_none() && self.0.is_some();
        trace
    }

    /// A request has ended just now. Never waits.
    pub fn request(&self, trace: &TraceContext, request: &FinishedRequest<'_>) {
        let Some(recorder) = self.0.as_ref().filter(|_| trace.sampled) else { return };
        let sent = span::span(trace, request).is_some_and(|span| recorder.queue.try_send(span).is_ok());
        if !sent {
            recorder.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Spans that were dropped since start, because the queue was full or the collector did not take them.
    pub fn dropped_spans(&self) -> u64 {
        self.0.as_ref().map_or(0, |recorder| recorder.dropped.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
