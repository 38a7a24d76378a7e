//! `/health/live`, `/health/ready`, `/metrics`.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// How long a client may take to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Probes and Prometheus need two or three.
const CONNECTIONS: usize = 64;

/// What the operator says of itself.
#[derive(Default)]
pub struct Health {
    ready: AtomicBool,
}

impl Health {
    /// It acts, or stands by with everything it needs.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }
}

/// Serves until `stop`.
///
/// # Errors
/// When the port cannot be bound.
pub async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.context("the port of health and metrics closed")?;
        let stream = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Such as no file descriptor left: go on, slowly.
                    tracing::warn!(%error, "a connection to health and metrics could not be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (health, metrics) = (Arc::clone(&health), Arc::clone(&metrics));
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &health, &metrics);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection to health and metrics broke");
            }
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, body) = match request.uri().path() {
        "/health/live" => (StatusCode::OK, Bytes::from_static(b"live\n")),
        "/health/ready" if health.ready.load(Ordering::Relaxed) => (StatusCode::OK, Bytes::from_static(b"ready\n")),
        "/health/ready" => (StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(b"the first lists are not complete\n")),
        "/metrics" => match metrics.page() {
            Ok(page) => (StatusCode::OK, page.into()),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into()),
        },
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"/health/live, /health/ready, /metrics\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}
