//! Sections about running the node: election, logs, metrics, traces.

use std::path::PathBuf;
use std::time::Duration;

use super::network::check_url;
use super::{Ask, Reader};

/// How the master is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionKind {
    /// A lock on the volume and the database: one node without a cluster.
    Lock,
    /// A Lease in Kubernetes.
    Lease,
}

/// `election`.
#[derive(Clone, Debug)]
pub struct ElectionConfig {
    /// How the master is chosen.
    pub kind: ElectionKind,
    /// The namespace of the Lease.
    pub namespace: Option<String>,
    /// Its name.
    pub lease_name: Option<String>,
    /// Nodes of this element.
    pub replicas: u32,
    /// How long a mastership lasts without renewal.
    pub lease_duration: Duration,
    /// After this long without renewal the master stops by itself.
    pub renew_deadline: Duration,
    /// How long to wait between tries.
    pub retry_period: Duration,
}

impl ElectionConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let kinds = [("lock", ElectionKind::Lock), ("lease", ElectionKind::Lease)];
        let it = Self {
            kind: r
                .choice(
                    Ask(
                        "election.kind",
                        "lock",
                        "How the master is chosen: `lock` (one node, no cluster) or `lease` (a Lease in \
                 Kubernetes, reached as a pod does, or by `KUBECONFIG`).",
                    ),
                    &kinds,
                )
                .unwrap_or(ElectionKind::Lock),
            namespace: r.text(Ask("election.namespace", "", "The namespace of the Lease.")),
            lease_name: r.text(Ask("election.lease_name", "", "The name of the Lease.")),
            replicas: r.small(Ask("election.replicas", "1", "Nodes of this element."), 1, 100, "nodes"),
            lease_duration: r.seconds(
                Ask("election.lease_duration_seconds", "15", "How long a mastership lasts without renewal."),
                3600,
            ),
            renew_deadline: r.seconds(
                Ask(
                    "election.renew_deadline_seconds",
                    "10",
                    "After this long without renewal the master stops by itself.",
                ),
                3600,
            ),
            retry_period: r.seconds(Ask("election.retry_period_seconds", "2", "How long to wait between tries."), 3600),
        };
        if it.kind == ElectionKind::Lease {
            for (key, value) in [("election.namespace", &it.namespace), ("election.lease_name", &it.lease_name)] {
                if value.is_none() {
                    r.wrong(key, "is needed with election.kind = lease: name the Lease, which has to exist");
                }
            }
        }
        if it.lease_duration <= it.renew_deadline {
            r.wrong(
                "election.lease_duration_seconds",
                "must be larger than election.renew_deadline_seconds: a master must stop before another begins",
            );
        }
        if it.renew_deadline.as_secs_f64() <= 1.2 * it.retry_period.as_secs_f64() {
            r.wrong(
                "election.renew_deadline_seconds",
                "must be larger than 1.2 times election.retry_period_seconds: else one lost try ends a mastership",
            );
        }
        it
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, on standard output.
    Json,
    /// For people, on standard error.
    Text,
}

/// `logging`.
#[derive(Clone, Debug)]
pub struct LoggingConfig {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged: a level, or levels for each logger.
    pub level: String,
    /// A file that lines go to as well, rotated.
    pub file: Option<PathBuf>,
}

impl LoggingConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let formats = [("json", LogFormat::Json), ("text", LogFormat::Text)];
        Self {
            format: r
                .choice(
                    Ask(
                        "logging.format",
                        "json",
                        "`json`: one object a line, on standard output. `text`: for people, on standard \
                 error.",
                    ),
                    &formats,
                )
                .unwrap_or(LogFormat::Json),
            level: r
                .checked_text(
                    Ask(
                        "logging.level",
                        "info",
                        "`error`, `warn`, `info`, `debug`, `trace` or `off`, also for single loggers: \
                 `info,storage_node::settling=debug`. Audit lines are written whatever it says, \
                 unless `audit=…` says otherwise.",
                    ),
                    check_level,
                )
                .unwrap_or_default(),
            file: r.path(Ask(
                "logging.file",
                "",
                "A file that log lines go to as well. Rotated at 100 MB, five older ones are kept.",
            )),
        }
    }
}

/// A filter reads any word as the name of a logger, so that a misspelt level would silence everything.
fn check_level(filter: &str) -> Result<(), String> {
    for part in filter.split(',') {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        if !["error", "warn", "info", "debug", "trace", "off"].contains(&level.to_ascii_lowercase().as_str()) {
            return Err(format!("{level:?} is not a level: use error, warn, info, debug, trace or off"));
        }
    }
    filter
        .parse::<tracing_subscriber::filter::Targets>()
        .map(|_| ())
        .map_err(|error| format!("is not a filter: {error}"))
}

/// `metrics`.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    /// Serve `/metrics`.
    pub enabled: bool,
}

impl MetricsConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        Self { enabled: r.flag(Ask("metrics.enabled", "true", "Serve Prometheus metrics at `/metrics`.")) }
    }
}

/// `tracing`.
#[derive(Clone, Debug)]
pub struct TracingConfig {
    /// The OTLP collector; `None`: traces are not exported.
    pub endpoint: Option<String>,
}

impl TracingConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        Self {
            endpoint: r.checked_text(
                Ask(
                    "tracing.endpoint",
                    "",
                    "URL of the OTLP collector that spans are sent to. `OTEL_EXPORTER_OTLP_ENDPOINT` sets \
                 it too. Unset: none are sent.",
                ),
                check_url,
            ),
        }
    }
}
