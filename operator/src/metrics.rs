//! The operator's own metrics.

use prometheus::core::Collector;
use prometheus::{Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

/// Every metric of the operator.
pub struct Metrics {
    registry: Registry,
    /// Reconciliations by result: `settled`, `waiting`, `failed`.
    pub reconciles: IntCounterVec,
    /// Their duration in seconds.
    pub durations: HistogramVec,
    /// Requests to the API server by method and status.
    pub requests: IntCounterVec,
    /// Errors of watches, by kind.
    pub watch_errors: IntCounterVec,
    /// Calls to nodes by what was asked and outcome.
    pub node_calls: IntCounterVec,
    /// Elements that wait for a worker, now or later.
    pub queued: IntGauge,
    /// Elements known.
    pub elements: IntGauge,
    /// Elements that this version cannot read.
    pub unreadable: IntGauge,
    /// 1 while this replica acts.
    pub leader: IntGauge,
}

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// Never in practice: names are constants.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let it = Self {
            reconciles: counters(&registry, "reconciles_total", "Reconciliations by result", &["result"])?,
            durations: register(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new("storage_operator_reconcile_duration_seconds", "How long reconciliations take"),
                    &["result"],
                )?,
            )?,
            requests: counters(
                &registry,
                "api_requests_total",
                "Requests to the API server by method and status",
                &["method", "status"],
            )?,
            watch_errors: counters(&registry, "watch_errors_total", "Errors of watches by kind", &["kind"])?,
            node_calls: counters(&registry, "node_calls_total", "Calls to nodes", &["call", "outcome"])?,
            queued: gauge(&registry, "queued", "Elements that wait to be reconciled, now or later")?,
            elements: gauge(&registry, "elements", "Elements that are known")?,
            unreadable: gauge(&registry, "elements_unreadable", "Elements that this version cannot read")?,
            leader: gauge(&registry, "leader", "1 while this replica acts")?,
            registry,
        };
        let build = IntCounterVec::new(
            Opts::new("storage_operator_build_info", "Version of the operator; always 1"),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).inc();
        register(&it.registry, build)?;
        Ok(it)
    }

    /// The page that Prometheus reads.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn page(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        Ok(page)
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(Opts::new(format!("storage_operator_{name}"), help), labels)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    register(registry, IntGauge::new(format!("storage_operator_{name}"), help)?)
}
