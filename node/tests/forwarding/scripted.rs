//! A master that does what a test tells it to, byte by byte.

use std::net::SocketAddr;

use storage_node::http::MutualTls;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::wire::{PATIENCE, Wire};

pub type PeerWire = Wire<tokio_rustls::server::TlsStream<TcpStream>>;

pub struct Scripted {
    listener: TcpListener,
    tls: MutualTls,
    pub address: SocketAddr,
}

impl Scripted {
    pub async fn new(tls: MutualTls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, tls, address }
    }

    /// The next connection of a peer.
    pub async fn accept(&self) -> PeerWire {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody connects").unwrap();
        Wire::new(self.tls.acceptor().accept(stream).await.unwrap())
    }

    /// Shakes hands, if the peer does.
    pub async fn accepted(&self, stream: TcpStream) -> bool {
        self.tls.acceptor().accept(stream).await.is_ok()
    }

    /// Whether nobody has connected.
    pub async fn was_left_alone(&self) -> bool {
        timeout(std::time::Duration::from_millis(300), self.listener.accept()).await.is_err()
    }
}

/// The next connection, before any handshake.
pub async fn raw(scripted: &Scripted) -> (TcpStream, SocketAddr) {
    timeout(PATIENCE, scripted.listener.accept()).await.expect("nobody connects").unwrap()
}
