//! A proxy's own thread: it goes on while a test blocks, and ends when the proxy is dropped.

#![allow(clippy::expect_used, reason = "a test whose proxy does not start has failed")]

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Weather;

/// A thread that accepts connections and serves each as a task.
#[derive(Debug)]
pub(super) struct Serving {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Serves each connection with what `serve` makes of it.
    pub(super) fn start<F>(serve: impl Fn(TcpStream, watch::Receiver<Weather>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for a proxy");
        listener.set_nonblocking(true).expect("a listener of a proxy");
        let address = listener.local_addr().expect("the address of a proxy");
        let (weather, seen) = watch::channel(Weather::Fair);
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime of a proxy");
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(stopped.run_until_cancelled_owned(accept(listener, seen, serve)));
        });
        Self { address, weather, stop, thread: Some(thread) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn accept<F>(
    listener: std::net::TcpListener,
    seen: watch::Receiver<Weather>,
    serve: impl Fn(TcpStream, watch::Receiver<Weather>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(listener).expect("a listener of a proxy");
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let _ = client.set_nodelay(true);
        connections.spawn(serve(client, seen.clone()));
        while connections.try_join_next().is_some() {}
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
