//! Accepts connections until it is told to stop.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Connections, ON_ITS_WAY, Streams};
use crate::http::limits::Limits;
use crate::http::tls::TlsAcceptor;

/// How long to wait after a connection could not be accepted: mostly there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long connections are still accepted after the server was told to stop.
const LAST_ACCEPTS: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until `stop` is cancelled: then connections that have just been made are still accepted,
/// and no others; running requests finish within `limits.drain_timeout`, and what still runs is cut. HTTP/1.1 and HTTP/2: over TLS as the client chooses
/// (ALPN), without TLS HTTP/2 with prior knowledge.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<TlsAcceptor>>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let (tracker, cut) = (TaskTracker::new(), CancellationToken::new());
    let permits = Arc::new(Semaphore::new(limits.connections));
    let drain_timeout = limits.drain_timeout;
    let streams = Streams { tracker: tracker.clone(), cut: cut.clone() };
    let connections = Arc::new(Connections::new(router, limits, stop.clone(), streams));
    let begin = |(stream, client): (TcpStream, SocketAddr), permit: OwnedSemaphorePermit| {
        let (connections, tls, stop) = (connections.clone(), tls.clone(), stop.clone());
        tracker.spawn(async move {
            match tls {
                None => connections.serve(stream, client).await,
                Some(tls) => match until_late(&stop, tls.accept(stream)).await {
                    Some(Ok(stream)) => connections.serve(stream, client).await,
                    Some(Err(reason)) => tracing::debug!(%client, %reason, "no TLS handshake"),
                    None => {}
                },
            }
            drop(permit);
        });
    };
    while let Some(permit) = stop.run_until_cancelled(permits.clone().acquire_owned()).await {
        let (Ok(permit), Some(accepted)) = (permit, stop.run_until_cancelled(accept(&listener)).await) else { break };
        begin(accepted, permit);
    }
    // Who has connected already, and waits to be accepted, would be reset.
    let last = tokio::time::Instant::now() + LAST_ACCEPTS;
    while let Ok(permit) = permits.clone().try_acquire_owned()
        && let Ok(accepted) = tokio::time::timeout_at(last, accept(&listener)).await
    {
        begin(accepted, permit);
    }
    // Whoever has come up to this very moment: no waiting between the last look and the closing.
    if let Ok(listener) = listener.into_std() {
        while let Ok(permit) = permits.clone().try_acquire_owned() {
            match listener.accept() {
                Ok((stream, client)) => match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                    Ok(stream) => begin((stream, client), permit),
                    Err(error) => tracing::debug!(%client, %error, "a connection could not be served"),
                },
                // One that gave up does not stand for those behind it.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(_) => break,
            }
        }
    }
    tracker.close();
    if tokio::time::timeout(drain_timeout, tracker.wait()).await.is_err() {
        tracing::warn!(open = tracker.len(), "requests still ran when the time to stop was over: they are cut");
        cut.cancel();
        tracker.wait().await;
    }
}

/// What comes of `work`, if it does not last until connections without a request are closed.
async fn until_late<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(ON_ITS_WAY).await;
    };
    tokio::select! {
        done = work => Some(done),
        () = late => None,
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                // Answers are written whole: waiting for more bytes to send with them only costs time.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%client, %error, "TCP_NODELAY could not be set");
                }
                return (stream, client);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
