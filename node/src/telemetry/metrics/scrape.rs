//! What is true at the moment the metrics are asked for.

use prometheus::core::{AtomicU64, GenericGaugeVec};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::{MetricsError, PREFIX, registered};

/// Bytes of the element's storage, and how full that is.
#[derive(Clone, Debug, Default)]
pub struct CapacityNumbers {
    /// In all, if there is a limit.
    pub total: Option<u64>,
    /// In use.
    pub used: u64,
    /// Still to be written, if there is a limit.
    pub available: Option<u64>,
    /// `ok`, `warning`, `critical` or `full`.
    pub level: &'static str,
}

/// What is true at the moment the metrics are asked for. `None` is "not known now": the metric is left out.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// Files by status: active, deleted.
    pub files: Option<(u64, u64)>,
    /// Bytes of active files.
    pub stored_bytes: Option<u64>,
    /// Transactions PENDING.
    pub wal_pending: Option<u64>,
    /// Transactions FAILED.
    pub wal_failed: Option<u64>,
    /// Age of the oldest PENDING one in seconds; 0 when there is none.
    pub wal_oldest_pending_seconds: Option<u64>,
    /// Write transactions of the catalog since start.
    pub catalog_transactions: u64,
    /// Folders synced since start.
    pub folder_syncs: u64,
    /// Connections of the catalog: in use, idle.
    pub catalog_connections: Option<(u64, u64)>,
    /// `edit`, `rw`, `ro` or `ar`.
    pub mode: Option<&'static str>,
    /// Whether this node may write.
    pub master: Option<bool>,
    /// Number of the running term.
    pub epoch: Option<u64>,
    /// Renewals of the Lease since start, by outcome; without a Lease there are none.
    pub lease_renewals: Vec<(&'static str, u64)>,
    /// Since the Lease was last renewed, in seconds.
    pub lease_seconds_since_renewal: Option<f64>,
    /// How full the element is.
    pub capacity: Option<CapacityNumbers>,
    /// Whether the storage has failed in a way that stops writing until a restart.
    pub storage_broken: Option<bool>,
    /// Jobs running, by kind.
    pub jobs_running: Vec<(&'static str, bool)>,
    /// Log lines that were dropped since start because nobody took them.
    pub log_lines_dropped: u64,
    /// Spans that were dropped since start because the collector did not take them.
    pub trace_spans_dropped: u64,
}

type Gauges = GenericGaugeVec<AtomicU64>;

impl Scrape {
    /// Made anew each time, so that no value outlives what it says.
    pub(super) fn gather(&self, version: &'static str) -> Result<Vec<MetricFamily>, MetricsError> {
        let all = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
        gauges(&all, "build_info", "Always 1; the program's version.", "version", &[(version, Some(1))])?;
        let (active, deleted) = self.files.unzip();
        gauges(&all, "files", "Files.", "status", &[("active", active), ("deleted", deleted)])?;
        gauge(&all, "stored_bytes", "Bytes of active files.", self.stored_bytes)?;
        gauge(&all, "wal_pending", "Transactions that are announced and not ended.", self.wal_pending)?;
        gauge(&all, "wal_failed", "Transactions that settling could not decide.", self.wal_failed)?;
        let oldest = self.wal_oldest_pending_seconds;
        gauge(&all, "wal_oldest_pending_seconds", "Age of the oldest pending transaction.", oldest)?;
        let transactions = self.catalog_transactions;
        counter(&all, "catalog_transactions_total", "Write transactions of the catalog.", transactions)?;
        counter(&all, "folder_syncs_total", "Folders synced.", self.folder_syncs)?;
        counter(&all, "log_lines_dropped_total", "Log lines nobody took fast enough.", self.log_lines_dropped)?;
        let spans = self.trace_spans_dropped;
        counter(&all, "trace_spans_dropped_total", "Spans that the collector did not take.", spans)?;
        let (used, idle) = self.catalog_connections.unzip();
        let connections = [("used", used), ("idle", idle)];
        gauges(&all, "catalog_connections", "Connections of the catalog.", "state", &connections)?;
        one_of(&all, "mode", "1 for the element's mode.", "mode", &["edit", "rw", "ro", "ar"], self.mode)?;
        gauge(&all, "master", "1 if this node may write.", self.master.map(u64::from))?;
        gauge(&all, "epoch", "Number of the running term.", self.epoch)?;
        if !self.lease_renewals.is_empty() {
            let help = "Renewals of the Lease by this process.";
            let all = registered(&all, IntCounterVec::new(Opts::new("lease_renewals_total", help), &["outcome"])?)?;
            for (outcome, count) in &self.lease_renewals {
                all.get_metric_with_label_values(&[outcome])?.inc_by(*count);
            }
        }
        if let Some(seconds) = self.lease_seconds_since_renewal {
            let help = "Time since the Lease was last renewed.";
            registered(&all, Gauge::new("lease_seconds_since_renewal", help)?)?.set(seconds);
        }
        let broken = self.storage_broken.map(u64::from);
        gauge(&all, "storage_broken", "1 if the storage failed and writing has stopped.", broken)?;
        let jobs: Vec<_> = self.jobs_running.iter().map(|(kind, runs)| (*kind, Some(u64::from(*runs)))).collect();
        gauges(&all, "job_running", "1 while a job of this kind runs.", "kind", &jobs)?;
        self.gather_capacity(&all)?;
        Ok(all.gather())
    }

    fn gather_capacity(&self, all: &Registry) -> Result<(), MetricsError> {
        let Some(capacity) = &self.capacity else { return Ok(()) };
        let bytes = [("total", capacity.total), ("used", Some(capacity.used)), ("available", capacity.available)];
        gauges(all, "capacity_bytes", "Bytes of the storage.", "kind", &bytes)?;
        let levels = ["ok", "warning", "critical", "full"];
        one_of(all, "capacity_level", "1 for how full the storage is.", "level", &levels, Some(capacity.level))
    }
}

/// A gauge with one label, a value for each known label value.
fn gauges(
    all: &Registry,
    name: &str,
    help: &str,
    label: &str,
    values: &[(&str, Option<u64>)],
) -> Result<(), MetricsError> {
    let vec = registered(all, Gauges::new(Opts::new(name, help), &[label])?)?;
    for (label, value) in values {
        if let Some(value) = value {
            vec.get_metric_with_label_values(&[label])?.set(*value);
        }
    }
    Ok(())
}

/// A gauge that is 1 for one of its label values and 0 for the others.
fn one_of(
    all: &Registry,
    name: &str,
    help: &str,
    label: &str,
    values: &[&str],
    current: Option<&str>,
) -> Result<(), MetricsError> {
    let Some(current) = current else { return Ok(()) };
    let vec = registered(all, IntGaugeVec::new(Opts::new(name, help), &[label])?)?;
    for value in values {
        vec.get_metric_with_label_values(&[value])?.set(i64::from(*value == current));
    }
    Ok(())
}

fn gauge(all: &Registry, name: &str, help: &str, value: Option<u64>) -> Result<(), MetricsError> {
    let Some(value) = value else { return Ok(()) };
    registered(all, prometheus::core::GenericGauge::<AtomicU64>::new(name, help)?)?.set(value);
    Ok(())
}

/// A counter that another room keeps.
fn counter(all: &Registry, name: &str, help: &str, total: u64) -> Result<(), MetricsError> {
    registered(all, IntCounter::new(name, help)?)?.inc_by(total);
    Ok(())
}
