//! Logs: JSON lines on standard error.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Begins to log at `level`, which may be a filter such as `info,kube=debug`.
///
/// # Errors
/// When the filter cannot be read.
pub fn begin(level: &str) -> anyhow::Result<()> {
    let mut filter =
        EnvFilter::builder().parse(level).with_context(|| format!("LOG_LEVEL {level:?} is not a filter"))?;
    // Every failed call is told where it is known what it was for; the client would tell it again as an error.
    if !level.contains("kube_client") {
        filter = filter.add_directive("kube_client::client::builder=off".parse()?);
    }
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .try_init()
        .map_err(|error| anyhow::anyhow!("logs could not begin: {error}"))
}
