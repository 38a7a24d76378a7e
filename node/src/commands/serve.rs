//! `serve`: one storage element over HTTP, until the process is told to stop.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::dev::Welcome;
use super::opening::{self, Opened, OpeningError};
use super::{CommandError, CommandResult, metrics, runtime};
use crate::config::Config;
use crate::element::{Closed, Element, ModeChanges};
use crate::files::Files;
use crate::http::{self, AppState, Cors, Front, Limits, Pages, Services, TlsAcceptor};
use crate::jobs::{Jobs, JobsParts, Progress};
use crate::security::{Authenticator, KeyStore, TokenRules};
use crate::telemetry::logs::{self, LogGuard};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otlp::Traces;

/// How long operations past their intent may take to end after the last request has been answered.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(config: &Config, welcome: Option<Welcome>) -> CommandResult {
    let guard = Arc::new(logs::init(&config.logging)?);
    let result = runtime()?.block_on(serve(config, welcome, &guard));
    match &result {
        Ok(_) => tracing::info!("stopped"),
        Err(error) => tracing::error!(%error, "the node ends"),
    }
    result
}

async fn serve(config: &Config, welcome: Option<Welcome>, guard: &Arc<LogGuard>) -> CommandResult {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    // Until a signal is listened for it ends the process at once: from the first write on it must not.
    let signalled = stop_signal()?;
    let keys = Arc::new(KeyStore::open(config.auth.jwt.keys.clone(), config.auth.jwt.operator_keys.clone())?);
    let tls = tls(config)?;
    let (traces, export) = config.tracing.endpoint.as_deref().map(Traces::open).transpose()?.unzip();
    let traces = traces.unwrap_or_default();
    let listener = listen(config.server.listen).await?;
    let address = listener.local_addr().map_err(|source| listening(config.server.listen, source))?;
    let metrics = metrics()?;
    let opened = opening::open(config, opening::lock(config).await?, &metrics).await?;
    metrics.takeover();
    let (element, files) = opened.serve(config, &metrics).await?;
    let state = AppState::starting(front(config, &keys, &metrics, &traces, element.view().element_id));
    let (modes, jobs) = background(&opened, &element, &files, &stop).await?;
    state.open(services(&opened, &element, &files, (&modes, &jobs), &traces, guard));

    // Spans are sent until the last request has ended.
    let (last, exporting) = (CancellationToken::new(), TaskTracker::new());
    if let Some(export) = export {
        exporting.spawn(export.run(last.clone()));
    }
    tasks.spawn(Arc::clone(&keys).watch(stop.clone()));
    tasks.spawn(files.clone().watch_catalog(stop.clone()));
    tasks.spawn(Arc::clone(&jobs).gc_hourly(opened.locked.election.holder()));
    tasks.spawn(settle_on(&opened, &element, stop.clone()));
    if let Some(tls) = tls.clone() {
        tasks.spawn(tls.watch(stop.clone()));
    }
    let router = http::router(&state, beside(config));
    tasks.spawn(http::serve(listener, tls.clone(), router, limits(config), stop.clone()));
    if let Some(admin) = config.server.admin_listen {
        let router = http::pages_router(&state, pages(config));
        tasks.spawn(http::serve(listen(admin).await?, tls, router, limits(config), stop.clone()));
    }
    tracing::info!(%address, "serving");
    let recovered = recover(&opened, &element, &stop);
    tokio::pin!(recovered, signalled);
    let signal = tokio::select! {
        signal = &mut signalled => signal,
        result = &mut recovered => {
            result?;
            if let Some(welcome) = welcome {
                println!("{}", welcome.text(address));
            }
            signalled.await
        }
    };
    tracing::info!(signal, "stopping: running requests finish, no new ones are taken");
    element.gate().close(Closed::Stopping, false);
    stop.cancel();
    tasks.spawn(async move {
        modes.ended().await;
        jobs.ended().await;
    });
    shut_down(config, &opened, &element, &files, &tasks).await;
    last.cancel();
    exporting.close();
    exporting.wait().await;
    Ok(ExitCode::SUCCESS)
}

/// Makes the catalog first where it cannot be trusted, then lets writes in. Reads by id are served meanwhile.
async fn recover(opened: &Opened, element: &Element, stop: &CancellationToken) -> Result<(), CommandError> {
    if opened.taken_over.needs_rebuild {
        tracing::info!("the catalog does not hold all files: it is made again from the attr files");
        let report = opened.rebuild(&Progress::default(), stop).await.map_err(OpeningError::Rebuild)?;
        tracing::info!(files = report.files, duration_ms = report.duration_ms, "the catalog holds all files again");
    }
    element.recovered();
    Ok(())
}

async fn shut_down(config: &Config, opened: &Opened, element: &Element, files: &Files, tasks: &TaskTracker) {
    tasks.close();
    let patience = config.limits.drain_timeout + DRAIN_PATIENCE;
    if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
        tracing::warn!("some work has not ended in time");
    }
    element.gate().close(Closed::Stopping, true);
    if tokio::time::timeout(DRAIN_PATIENCE, files.drained()).await.is_err() {
        tracing::warn!("some operations have not ended in time: the next start settles them");
    }
    opened.locked.catalog.close().await;
    if let Err(error) = opened.locked.storage.end_term(opened.term()).await {
        tracing::warn!(%error, "the staging folder stays");
    }
}

fn settle_on(opened: &Opened, element: &Arc<Element>, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
    let (settler, element) = (opened.settler.clone(), Arc::clone(element));
    async move { settler.run(|| element.term(), stop).await }
}

/// The certificate of every port that this node opens, if it was given one: a node that cannot use it must not serve
/// without.
fn tls(config: &Config) -> Result<Option<Arc<TlsAcceptor>>, CommandError> {
    let files = config.tls.cert_file.as_deref().zip(config.tls.key_file.as_deref());
    let tls = files.map(|(cert, key)| TlsAcceptor::open(cert, key, config.limits.header_timeout)).transpose()?;
    Ok(tls.map(Arc::new))
}

/// Mode changes and jobs, which go on when their request has been answered.
async fn background(
    opened: &Opened,
    element: &Arc<Element>,
    files: &Files,
    stop: &CancellationToken,
) -> Result<(Arc<ModeChanges>, Arc<Jobs>), OpeningError> {
    let (storage, catalog) = (&opened.locked.storage, &opened.locked.catalog);
    // The lock is ours alone: whoever ran them is gone.
    let interrupted = catalog.interrupt_jobs(None).await?;
    if interrupted > 0 {
        tracing::warn!(interrupted, "jobs of an earlier process had not ended: start them again");
    }
    let modes = ModeChanges::new(Arc::clone(element), Arc::clone(storage), Arc::clone(catalog), stop.clone());
    let parts = JobsParts {
        storage: Arc::clone(storage),
        catalog: Arc::clone(catalog),
        element: Arc::clone(element),
        locks: Arc::clone(&opened.locks),
        expire: Arc::new(files.clone()),
    };
    Ok((Arc::new(modes), Arc::new(Jobs::new(parts, stop.clone()))))
}

fn services(
    opened: &Opened,
    element: &Arc<Element>,
    files: &Files,
    (modes, jobs): (&Arc<ModeChanges>, &Arc<Jobs>),
    traces: &Traces,
    guard: &Arc<LogGuard>,
) -> Services {
    let (storage, log, traces) = (Arc::clone(&opened.locked.storage), Arc::clone(guard), traces.clone());
    Services {
        files: files.clone(),
        element: Arc::clone(element),
        settler: Arc::new(opened.settler.clone()),
        modes: Arc::clone(modes),
        jobs: Arc::clone(jobs),
        catalog: Arc::clone(&opened.locked.catalog),
        observe: Box::new(move |scrape| {
            scrape.folder_syncs = storage.folder_syncs();
            scrape.storage_broken = Some(storage.broken().is_some());
            scrape.log_lines_dropped = log.dropped_lines();
            scrape.trace_spans_dropped = traces.dropped_spans();
        }),
    }
}

fn front(
    config: &Config,
    keys: &Arc<KeyStore>,
    metrics: &Arc<Metrics>,
    traces: &Traces,
    element_id: uuid::Uuid,
) -> Front {
    let jwt = &config.auth.jwt;
    let rules = TokenRules {
        issuer: jwt.issuer.clone(),
        audience: jwt.audience.clone(),
        leeway: jwt.leeway,
        max_lifetime: jwt.max_token_lifetime,
        element_id: Some(element_id.to_string()),
    };
    Front {
        authenticator: Arc::new(Authenticator::new(Arc::clone(keys), rules)),
        metrics: Arc::clone(metrics),
        traces: traces.clone(),
        limits: limits(config),
        cors: Cors::new(&config.server.cors_origins),
        config: config.items().to_vec(),
    }
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        file_bytes: limits.file_bytes,
        body_bytes: limits.body_bytes,
        header_bytes: limits.header_bytes,
        field_bytes: limits.field_bytes,
        header_timeout: limits.header_timeout,
        stall_timeout: limits.stall_timeout,
        idle_timeout: limits.idle_timeout,
        drain_timeout: limits.drain_timeout,
        ..Limits::default()
    }
}

/// The pages that are switched on.
fn pages(config: &Config) -> Pages {
    Pages { metrics: config.metrics.enabled, openapi: config.server.openapi, docs: config.server.serves_docs() }
}

/// The pages served beside the API: none where they have a port of their own.
fn beside(config: &Config) -> Pages {
    if config.server.admin_listen.is_some() { Pages::NONE } else { pages(config) }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, CommandError> {
    TcpListener::bind(address).await.map_err(|source| listening(address, source))
}

fn listening(address: SocketAddr, source: std::io::Error) -> CommandError {
    CommandError::Io { action: "listen on", what: address.to_string(), source }
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
