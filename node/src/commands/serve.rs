//! `serve`: one storage element over HTTP, until the process is told to stop.

mod elected;
mod ports;
mod running;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::ports::Ports;
use self::running::Running;
use super::dev::Welcome;
use super::opening::{self, Opened, OpeningError};
use super::{CommandError, CommandResult, metrics, runtime};
use crate::config::{Config, ElectionKind};
use crate::election::Mastership;
use crate::http::AppState;
use crate::security::KeyStore;
use crate::settling::TakenOver;
use crate::telemetry::logs::{self, LogGuard};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otlp::Traces;

/// How long operations past their intent may take to end after the last request has been answered.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);
/// How long until an element that could not be opened is tried again.
const OPENING_PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run(config: &Config, welcome: Option<Welcome>) -> CommandResult {
    let guard = Arc::new(logs::init(&config.logging)?);
    let result = runtime()?.block_on(serve(config, welcome, &guard));
    match &result {
        Ok(_) => tracing::info!("stopped"),
        Err(error) => tracing::error!(%error, "the node ends"),
    }
    result
}

/// What every part of a serving process has.
struct Process<'a> {
    config: &'a Config,
    guard: &'a Arc<LogGuard>,
    metrics: Arc<Metrics>,
    traces: Traces,
    stop: CancellationToken,
    tasks: TaskTracker,
}

async fn serve(config: &Config, welcome: Option<Welcome>, guard: &Arc<LogGuard>) -> CommandResult {
    // Until a signal is listened for it ends the process at once: from the first write on it must not.
    let signalled = stop_signal()?;
    let keys = Arc::new(KeyStore::open(config.auth.jwt.keys.clone(), config.auth.jwt.operator_keys.clone())?);
    let (traces, export) = config.tracing.endpoint.as_deref().map(Traces::open).transpose()?.unzip();
    let process = Process {
        config,
        guard,
        metrics: metrics()?,
        traces: traces.unwrap_or_default(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let ports = Ports::open(config).await?;
    let address = ports.address();
    let state = AppState::starting(ports::front(&process, &keys, &ports));
    // Spans are sent until the last request has ended.
    let (last, exporting) = (CancellationToken::new(), TaskTracker::new());
    if let Some(export) = export {
        exporting.spawn(export.run(last.clone()));
    }
    process.tasks.spawn(keys.watch(process.stop.clone()));
    // Health answers from here on, however long the takeover takes; the API says RECOVERING.
    ports.serve(&process, &state);
    let result = match config.election.kind {
        ElectionKind::Lock => process.live(&state, signalled, address, welcome).await,
        ElectionKind::Lease => elected::live(&process, &state, signalled, address).await,
    };
    process.stop.cancel();
    process.tasks.close();
    if tokio::time::timeout(DRAIN_PATIENCE, process.tasks.wait()).await.is_err() {
        tracing::warn!("some work has not ended in time");
    }
    last.cancel();
    exporting.close();
    exporting.wait().await;
    result.map(|()| ExitCode::SUCCESS)
}

impl Process<'_> {
    /// Opens the element, serves it until a signal comes, and closes it.
    async fn live(
        &self,
        state: &AppState,
        signalled: impl Future<Output = &'static str>,
        address: SocketAddr,
        welcome: Option<Welcome>,
    ) -> Result<(), CommandError> {
        tracing::info!(%address, "listening: the element is being opened");
        tokio::pin!(signalled);
        let (running, taken_over) = tokio::select! {
            running = self.open(state) => running?,
            // Taking over may be broken off anywhere: the next start does it again.
            signal = &mut signalled => {
                tracing::info!(signal, "stopping before the element was open");
                return Ok(());
            }
        };
        tracing::info!(%address, "serving");
        let ended = running.mastership_ended();
        tokio::pin!(ended);
        let signal = tokio::select! {
            signal = &mut signalled => signal,
            // Without the lock another process may begin: this one must not go on.
            lost = &mut ended => return Err(lost.into()),
            result = running.recover(&taken_over, &self.stop) => {
                result?;
                if let Some(welcome) = welcome {
                    println!("{}", welcome.text(address));
                }
                tokio::select! {
                    signal = signalled => signal,
                    lost = ended => return Err(lost.into()),
                }
            }
        };
        tracing::info!(signal, "stopping: running requests finish, no new ones are taken");
        running.shut_down(self).await;
        Ok(())
    }

    async fn open(&self, state: &AppState) -> Result<(Running, TakenOver), OpeningError> {
        let opened = loop {
            let error = match self.try_open().await {
                Ok(opened) => break opened,
                Err(error) => error,
            };
            // Whoever runs this would only start it again, after ever longer pauses.
            let Some(missing) = error.missing(self.config) else { return Err(error) };
            tracing::warn!(%error, "the element cannot be opened yet; it is tried again");
            state.waits_for(missing);
            tokio::time::sleep(OPENING_PAUSE).await;
        };
        self.metrics.takeover();
        let term = Some(opened.term());
        let running = Running::begin(self, Arc::clone(&opened.rooms), opened.taken_over.file.clone(), term).await?;
        state.front().authenticator.serves(running.element_id());
        state.open(running.services(self, Mastership::default()));
        Ok((running, opened.taken_over))
    }

    async fn try_open(&self) -> Result<Opened, OpeningError> {
        let locked = opening::lock(self.config).await?;
        let election = Arc::clone(&locked.election);
        let opened = opening::open(self.config, locked, &self.metrics).await;
        if opened.is_err() {
            // A storage that is refused is nobody's: whose it is need not wait for us.
            election.release().await;
        }
        opened
    }
}

/// Waits for SIGTERM or SIGINT, listened for from the call on; the name of the one that came.
fn stop_signal() -> Result<impl Future<Output = &'static str>, CommandError> {
    let listening = |kind| {
        signal(kind).map_err(|source| CommandError::Io { action: "listen for", what: "signals".to_owned(), source })
    };
    let (mut terminate, mut interrupt) = (listening(SignalKind::terminate())?, listening(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
