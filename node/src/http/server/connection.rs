//! One connection, from its first byte to its last.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use super::guarded::Guarded;
use crate::http::limits::Limits;

/// Bytes read or written at once. A head that does not fit is refused by the library, without an envelope.
const BUFFER_BYTES: usize = 256 << 10;
/// Requests at the same time on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// What a client may send ahead on one HTTP/2 stream, and on all of them.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// Where a request comes from: an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub SocketAddr);

/// A connection without a request is closed so long after the server was told to stop: what its client has just sent is
/// still answered, instead of being reset.
pub const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// Runs the streams of HTTP/2 connections, so that stopping waits for them, and can end them.
#[derive(Clone)]
pub struct Streams {
    pub tracker: TaskTracker,
    pub cut: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let cut = self.cut.clone();
        self.tracker.spawn(async move { cut.run_until_cancelled_owned(stream).await.is_some() });
    }
}

/// How connections are served.
pub struct Connections {
    builder: auto::Builder<Streams>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Connections {
    /// Connections that finish what they have begun when `stop` is cancelled, and end at once when `streams.cut` is.
    pub fn new(router: Router, limits: Limits, stop: CancellationToken, streams: Streams) -> Self {
        let cut = streams.cut.clone();
        let mut builder = auto::Builder::new(streams);
        builder
            .http1()
            .timer(TokioTimer::new())
            // Counts from the end of the answer before: this bounds idle connections. A head that has begun has its own,
            // shorter bound in `Guarded`.
            .header_read_timeout(limits.idle_timeout.max(limits.header_timeout))
            .max_buf_size(BUFFER_BYTES)
            // A client may close its sending side after the request and still read the answer.
            .half_close(true);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(BUFFER_BYTES)
            .keep_alive_interval(limits.idle_timeout)
            .keep_alive_timeout(limits.header_timeout);
        Self { builder, router, limits, stop, cut }
    }

    /// Serves one connection to its end.
    pub async fn serve<T>(&self, io: T, client: SocketAddr)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let begun = Arc::new(AtomicUsize::new(0));
        let running = Arc::new(AtomicUsize::new(0));
        let arrived = Arc::new(Notify::new());
        let service = service_fn(|mut request: Request<Incoming>| {
            begun.fetch_add(1, Ordering::Relaxed);
            arrived.notify_one();
            let running = Running::begin(&running);
            request.extensions_mut().insert(ClientAddress(client));
            let answer = self.router.clone().call(request);
            async move {
                let answer = answer.await;
                drop(running);
                answer
            }
        });
        let io = TokioIo::new(Guarded::new(io, &self.limits));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let mut idle = tokio::time::interval(self.limits.idle_timeout);
        idle.tick().await;
        let (mut stopping, mut seen) = (false, 0);
        let no_more = async {
            self.stop.cancelled().await;
            let before = begun.load(Ordering::Relaxed);
            let another = async {
                while begun.load(Ordering::Relaxed) == before {
                    arrived.notified().await;
                }
            };
            if running.load(Ordering::Relaxed) == 0 {
                let _ = tokio::time::timeout(ON_ITS_WAY, another).await;
            }
        };
        let mut no_more = pin!(no_more);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(reason) = ended {
                        tracing::debug!(%client, %reason, "connection ended early");
                    }
                    return;
                }
                () = self.cut.cancelled() => return,
                () = no_more.as_mut(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                _ = idle.tick(), if !stopping => {
                    // HTTP/2 has no bound of its own on connections without requests. What still runs is not cut.
                    let now = begun.load(Ordering::Relaxed);
                    if now == seen && running.load(Ordering::Relaxed) == 0 {
                        stopping = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    seen = now;
                }
            }
        }
    }
}

/// A request that is being answered.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(running: &Arc<AtomicUsize>) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self(running.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
