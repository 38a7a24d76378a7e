//! Sends queued spans in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Uri;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, EXPORT_TIMEOUT, OtlpError};
use super::span::{SERVICE, VERSION};

/// The most spans of a batch, and how long the first of one waits for others: the defaults of OpenTelemetry.
const BATCH_SPANS: usize = 512;
const BATCH_TIME: Duration = Duration::from_secs(5);

/// How long stopping waits for what is queued to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends spans to the collector. To be run as a task of the node's.
pub struct Export {
    queued: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
    collector: Collector,
    dropped: Arc<AtomicU64>,
    batch: Vec<SpanData>,
    /// Spans of the batch that is being sent.
    sending: u64,
    /// Whether the last batch was not taken.
    is_failing: bool,
    pub(super) flush_timeout: Duration,
}

impl Export {
    pub(super) fn open(
        endpoint: &str,
        queued: mpsc::Receiver<SpanData>,
        dropped: Arc<AtomicU64>,
    ) -> Result<Self, OtlpError> {
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let parsed = url.parse::<Uri>().map_err(|error| OtlpError::Endpoint(error.to_string()))?;
        if parsed.host().is_none_or(str::is_empty) {
            return Err(OtlpError::Endpoint("it names no host".to_owned()));
        }
        Self::to(Collector::new(&parsed)?, url, queued, dropped)
    }

    pub(super) fn to(
        collector: Collector,
        url: String,
        queued: mpsc::Receiver<SpanData>,
        dropped: Arc<AtomicU64>,
    ) -> Result<Self, OtlpError> {
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector.clone())
            .with_endpoint(url)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|error| OtlpError::Endpoint(error.to_string()))?;
        // The environment comes last and may name the service, and say where it runs.
        let resource = Resource::builder_empty()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.version", VERSION))
            .with_detector(Box::new(EnvResourceDetector::new()))
            .build();
        exporter.set_resource(&resource);
        Ok(Self {
            queued,
            exporter,
            collector,
            dropped,
            batch: Vec::new(),
            sending: 0,
            is_failing: false,
            flush_timeout: FLUSH_TIMEOUT,
        })
    }

    /// Sends spans until `stop`, and then what is queued, for at most three seconds. `stop` belongs after the last
    /// request.
    pub async fn run(mut self, stop: CancellationToken) {
        let flush_timeout = self.flush_timeout;
        let time_is_over = async {
            stop.cancelled().await;
            tokio::time::sleep(flush_timeout).await;
        };
        tokio::select! {
            () = self.send_all(&stop) => return,
            () = time_is_over => {}
        }
        let left = self.sending + (self.batch.len() + self.queued.len()) as u64;
        self.dropped.fetch_add(left, Ordering::Relaxed);
        tracing::warn!(spans = left, "the trace collector did not take the last spans in time: they are lost");
    }

    async fn send_all(&mut self, stop: &CancellationToken) {
        while stop.run_until_cancelled(gather(&mut self.queued, &mut self.batch)).await.is_some() {
            if self.batch.is_empty() {
                return;
            }
            self.send().await;
        }
        self.queued.close();
        self.send().await;
        while self.queued.recv_many(&mut self.batch, BATCH_SPANS).await > 0 {
            self.send().await;
        }
    }

    async fn send(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        self.sending = batch.len() as u64;
        match self.exporter.export(batch).await {
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                tracing::info!("the trace collector takes spans again");
            }
            Ok(()) => {}
            Err(error) => {
                self.dropped.fetch_add(self.sending, Ordering::Relaxed);
                if !self.is_failing {
                    self.is_failing = true;
                    let reason = self.collector.reason();
                    tracing::warn!(%error, reason, "the trace collector does not take spans: they are lost until it does");
                }
            }
        }
        self.sending = 0;
    }
}

/// Waits for a span, and a while for more of them. None at all: nobody can send any more. What was gathered stays in
/// `batch` when this is given up.
async fn gather(queued: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    if queued.recv_many(batch, BATCH_SPANS).await == 0 {
        return;
    }
    let filled =
        async { while batch.len() < BATCH_SPANS && queued.recv_many(batch, BATCH_SPANS - batch.len()).await > 0 {} };
    // Either way the batch is to be sent.
    let _ = tokio::time::timeout(BATCH_TIME, filled).await;
}
