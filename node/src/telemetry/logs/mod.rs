//! Logs: JSON lines for machines, text for people, and a rotating file.
//!
//! JSON goes to standard output, where Kubernetes collects it; text goes to standard error. With `logging.file` the
//! lines go there as well. Lines pass through a bounded buffer that one thread empties, so that a slow reader does not
//! stop the node: when it is full, ordinary lines are dropped and counted, and audit lines, warnings and errors wait
//! for up to 100 ms first.

mod layer;
mod line;
mod redact;
mod rotate;
mod writer;

use std::path::PathBuf;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::REQUEST_SPAN;
use crate::config::{LogFormat, LoggingConfig};
use crate::security::AUDIT_TARGET;
use layer::LineLayer;
use rotate::RotatingFile;
use writer::{Sink, Writer};

/// At this size the log file is put aside.
const FILE_LIMIT_BYTES: u64 = 100_000_000;

/// How many older files are kept.
const OLDER_FILES: usize = 5;

/// Why logging cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `logging.file` cannot be written.
    #[error("logging.file {}: {reason}: choose a file in a folder this node may write to", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// `logging.level` cannot be read.
    #[error("logging.level: {0}")]
    Level(String),
    /// The thread that writes could not be started, or logging was begun twice.
    #[error("logging cannot begin: {0}")]
    Start(String),
}

/// Keeps logging alive. When dropped, what is buffered is written (for up to two seconds). Drop it last.
#[must_use = "logging ends when this is dropped"]
pub struct LogGuard(Writer);

impl LogGuard {
    /// Lines that were dropped because nobody took them fast enough.
    pub fn dropped_lines(&self) -> u64 {
        self.0.dropped()
    }
}

/// Begins logging for the whole process, panics included.
///
/// # Errors
/// [`LogError`] when the file cannot be written, or logging has begun before.
pub fn init(config: &LoggingConfig) -> Result<LogGuard, LogError> {
    let mut sinks = vec![match config.format {
        LogFormat::Json => Sink::Stdout,
        LogFormat::Text => Sink::Stderr,
    }];
    if let Some(path) = &config.file {
        let file = RotatingFile::open(path, FILE_LIMIT_BYTES, OLDER_FILES)
            .map_err(|error| LogError::File { path: path.clone(), reason: error.to_string() })?;
        sinks.push(Sink::File(file));
    }
    let filter = filter(&config.level)?;
    let writer = Writer::start(sinks).map_err(|error| LogError::Start(error.to_string()))?;
    let layer = LineLayer::new(config.format, writer.input());
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .map_err(|error| LogError::Start(error.to_string()))?;
    log_panics();
    Ok(LogGuard(writer))
}

/// The filter that `logging.level` asks for; the span around a request and audit lines pass whatever it says, unless it
/// names them.
fn filter(level: &str) -> Result<Targets, LogError> {
    let asked: Targets =
        level.parse().map_err(|error| LogError::Level(format!("{level:?} is not a filter: {error}")))?;
    let named: Vec<String> = asked.iter().map(|(target, _)| target.to_owned()).collect();
    let always = [(REQUEST_SPAN, tracing::Level::ERROR), (AUDIT_TARGET, tracing::Level::INFO)];
    let missing = always.into_iter().filter(|(target, _)| !named.iter().any(|name| name == target));
    Ok(asked.with_targets(missing))
}

/// A panic is a line like any other, so that whoever collects lines sees it.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(target: "panic", place, "the program has panicked: {message}");
    }));
}

#[cfg(test)]
mod tests;
