//! Prometheus metrics. Names and labels: the product specification, `15-api`, Info.
//!
//! What happens is counted where it happens, through [`Metrics`]; what is (sizes, modes, numbers of others) is handed
//! over when it is asked for, as a [`Scrape`].

mod scrape;

use std::time::Duration;

use http::{Method, StatusCode};
use prometheus::core::Collector;
use prometheus::{Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder};

pub use scrape::{CapacityNumbers, Scrape};

/// The media type of [`Metrics::render`].
pub const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What every name begins with.
const PREFIX: &str = "storage_element";

/// From half a millisecond to a minute, in seconds.
const BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The route of a request that met none.
pub const NO_ROUTE: &str = "none";

/// Something is wrong with a metric's definition: a fault of the program, found at start.
#[derive(Debug, thiserror::Error)]
#[error("the metrics cannot be set up: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// What is counted while the node runs.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    received: IntCounter,
    sent: IntCounter,
    wal_transactions: IntCounterVec,
    cache_hits: IntCounter,
    cache_misses: IntCounter,
    cache_refreshes: IntCounter,
    takeovers: IntCounter,
    forwarded: IntCounterVec,
    version: &'static str,
}

/// How a metadata row was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheLookup {
    /// In the catalog.
    Hit,
    /// Not there: from the attr file.
    Miss,
    /// In the catalog, but so old that it was refreshed from the attr file.
    Refresh,
}

/// How a transaction of the write-ahead log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalOutcome {
    /// Done.
    Committed,
    /// Undone.
    RolledBack,
    /// Neither: a person has to look.
    Failed,
}

impl WalOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
        }
    }
}

/// What became of a request that was to be passed on to the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// The master has answered, whatever it said.
    Answered,
    /// The master was not reached, or did not want the request: it has not happened.
    NotMaster,
    /// No answer came: it may have happened.
    OutcomeUnknown,
    /// The client went away, or did not send its body to the end.
    Abandoned,
}

impl Forwarded {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotMaster => "not_master",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Metrics {
    /// Sets the metrics up, all at zero. `version` is the program's.
    ///
    /// # Errors
    /// [`MetricsError`]: a fault of the program.
    pub fn new(version: &'static str) -> Result<Self, MetricsError> {
        let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
        let cache = registered(
            &registry,
            IntCounterVec::new(
                Opts::new("cache_lookups_total", "Metadata looked up by id, by how it was found."),
                &["result"],
            )?,
        )?;
        Ok(Self {
            requests: registered(
                &registry,
                IntCounterVec::new(
                    Opts::new("http_requests_total", "Requests answered."),
                    &["method", "route", "status"],
                )?,
            )?,
            durations: registered(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "http_request_duration_seconds",
                        "Time from a request's head to its answer's end.",
                    )
                    .buckets(BUCKETS.to_vec()),
                    &["method", "route"],
                )?,
            )?,
            received: registered(
                &registry,
                IntCounter::new("received_bytes_total", "Bytes of request bodies received.")?,
            )?,
            sent: registered(&registry, IntCounter::new("sent_bytes_total", "Bytes of answer bodies sent.")?)?,
            wal_transactions: registered(
                &registry,
                IntCounterVec::new(
                    Opts::new("wal_transactions_total", "Transactions of the write-ahead log that ended."),
                    &["operation", "outcome"],
                )?,
            )?,
            cache_hits: cache.get_metric_with_label_values(&["hit"])?,
            cache_misses: cache.get_metric_with_label_values(&["miss"])?,
            cache_refreshes: cache.get_metric_with_label_values(&["refresh"])?,
            takeovers: registered(
                &registry,
                IntCounter::new("takeovers_total", "Terms that this process has begun as master.")?,
            )?,
            forwarded: registered(
                &registry,
                IntCounterVec::new(
                    Opts::new("forwarded_requests_total", "Writes passed on to the master, by what became of them."),
                    &["outcome"],
                )?,
            )?,
            registry,
            version,
        })
    }

    /// A request was answered. `route` is the matched template, such as `/api/v1/files/{id}`, else [`NO_ROUTE`]: never
    /// the path itself, whose values have no bound.
    pub fn request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = known_method(method);
        if let Ok(counter) = self.requests.get_metric_with_label_values(&[method, route, status.as_str()]) {
            counter.inc();
        }
        if let Ok(histogram) = self.durations.get_metric_with_label_values(&[method, route]) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// Bytes of a request body came in.
    pub fn received(&self, bytes: u64) {
        self.received.inc_by(bytes);
    }

    /// Bytes of an answer body went out.
    pub fn sent(&self, bytes: u64) {
        self.sent.inc_by(bytes);
    }

    /// A transaction of the write-ahead log ended. `operation` is its type's name, such as `FILE_CREATE`.
    pub fn wal_transaction(&self, operation: &'static str, outcome: WalOutcome) {
        if let Ok(counter) = self.wal_transactions.get_metric_with_label_values(&[operation, outcome.as_str()]) {
            counter.inc();
        }
    }

    /// Metadata was looked up.
    pub fn cache_lookup(&self, lookup: CacheLookup) {
        match lookup {
            CacheLookup::Hit => self.cache_hits.inc(),
            CacheLookup::Miss => self.cache_misses.inc(),
            CacheLookup::Refresh => self.cache_refreshes.inc(),
        }
    }

    /// This process has begun a term as master.
    pub fn takeover(&self) {
        self.takeovers.inc();
    }

    /// A request that was to be passed on to the master has ended.
    pub fn forwarded(&self, outcome: Forwarded) {
        if let Ok(counter) = self.forwarded.get_metric_with_label_values(&[outcome.as_str()]) {
            counter.inc();
        }
    }

    /// All metrics in Prometheus' text format ([`METRICS_CONTENT_TYPE`]). What is not known in `scrape` is left out
    /// instead of shown as it once was.
    ///
    /// # Errors
    /// [`MetricsError`]: a fault of the program.
    pub fn render(&self, scrape: &Scrape) -> Result<String, MetricsError> {
        let mut families = self.registry.gather();
        families.extend(scrape.gather(self.version)?);
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let mut text = Vec::with_capacity(16 << 10);
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, MetricsError> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// Methods have no bound in HTTP; the known ones keep their names.
pub(in crate::telemetry) fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
