//! The ports of a node, and what is served on them from the first moment.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::Process;
use crate::commands::CommandError;
use crate::config::Config;
use crate::http::{self, AppState, Cors, Forwarder, Front, Limits, MutualTls, Pages, Patience, TlsAcceptor};
use crate::security::{Authenticator, KeyStore, TokenRules};

/// The ports, listening.
pub(super) struct Ports {
    api: TcpListener,
    address: SocketAddr,
    admin: Option<TcpListener>,
    peer: Option<(TcpListener, MutualTls)>,
    tls: Option<Arc<TlsAcceptor>>,
}

impl Ports {
    /// Listens. A node that was given a certificate it cannot use must not serve without.
    pub(super) async fn open(config: &Config) -> Result<Self, CommandError> {
        let files = config.tls.cert_file.as_deref().zip(config.tls.key_file.as_deref());
        let tls = files.map(|(cert, key)| TlsAcceptor::open(cert, key, config.limits.header_timeout)).transpose()?;
        let peers = config
            .peer
            .as_ref()
            .map(|peer| MutualTls::open(&peer.cert_file, &peer.key_file, &peer.ca_file, config.limits.header_timeout));
        let peers = peers.transpose()?;
        let api = listen(config.server.listen).await?;
        let address = api.local_addr().map_err(|source| listening(config.server.listen, source))?;
        let admin = match config.server.admin_listen {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let peer = match config.peer.as_ref().zip(peers) {
            Some((peer, tls)) => Some((listen(peer.listen).await?, tls)),
            None => None,
        };
        Ok(Self { api, address, admin, peer, tls: tls.map(Arc::new) })
    }

    /// Passes writes on to the master, where there is a peer port.
    fn forwarder(&self, config: &Config) -> Option<Forwarder> {
        self.peer.as_ref().map(|(_, tls)| Forwarder::new(tls.clone(), Patience::of(&limits(config))))
    }

    /// Where the API is.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers on every port until the process stops.
    pub(super) fn serve(self, process: &Process<'_>, state: &AppState) {
        let Process { config, stop, tasks, .. } = process;
        if let Some(tls) = self.tls.clone() {
            tasks.spawn(tls.watch(stop.clone()));
        }
        let router = http::router(state, beside(config));
        tasks.spawn(http::serve(self.api, self.tls.clone(), router, limits(config), stop.clone()));
        if let Some((peer, tls)) = self.peer {
            tasks.spawn(tls.acceptor().watch(stop.clone()));
            let router = http::peer_router(state);
            tasks.spawn(http::serve(peer, Some(tls.acceptor()), router, limits(config), stop.clone()));
        }
        if let Some(admin) = self.admin {
            let router = http::pages_router(state, pages(config));
            tasks.spawn(http::serve(admin, self.tls, router, limits(config), stop.clone()));
        }
    }
}

/// What is there before the element is. The operator's tokens are let in once the element's id is known.
pub(super) fn front(process: &Process<'_>, keys: &Arc<KeyStore>, ports: &Ports) -> Front {
    let config = process.config;
    let jwt = &config.auth.jwt;
    let rules = TokenRules {
        issuer: jwt.issuer.clone(),
        audience: jwt.audience.clone(),
        leeway: jwt.leeway,
        max_lifetime: jwt.max_token_lifetime,
        ..TokenRules::default()
    };
    Front {
        authenticator: Arc::new(Authenticator::new(Arc::clone(keys), rules)),
        metrics: Arc::clone(&process.metrics),
        traces: process.traces.clone(),
        limits: limits(config),
        cors: Cors::new(&config.server.cors_origins),
        forwarder: ports.forwarder(config),
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
