//! Sections about who reaches the node, and how: ports, certificates, tokens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Ask, Reader, both_or_none};
use crate::model::PeerAddress;

/// `server`: where the API is served.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where the API is served.
    pub listen: SocketAddr,
    /// A separate port for `/metrics`, `/openapi.json` and `/docs`, which then are no longer on `listen`.
    pub admin_listen: Option<SocketAddr>,
    /// Origins that browsers may call from; empty: CORS is off.
    pub cors_origins: Vec<String>,
    /// Serve `/docs`.
    pub docs: bool,
    /// Serve `/openapi.json`.
    pub openapi: bool,
}

impl ServerConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let it = Self {
            listen: r
                .address(Ask("server.listen", "0.0.0.0:8080", "Address and port of the API."))
                .unwrap_or(([0, 0, 0, 0], 0).into()),
            admin_listen: r.address(Ask(
                "server.admin_listen",
                "",
                "A second address and port. When set, `/metrics`, `/openapi.json` and `/docs` are \
                 served there and no longer on `server.listen`.",
            )),
            cors_origins: r.list(
                Ask(
                    "server.cors_origins",
                    "",
                    "Origins that browsers may call from, such as `https://files.example.org`; in the \
                 environment with commas between. `*` alone: any, never with credentials. Unset: CORS \
                 is off.",
                ),
                check_origins,
            ),
            docs: r.flag(Ask(
                "server.docs",
                "true",
                "Serve the docs page at `/docs`. It reads `/openapi.json`, so it needs \
                 `server.openapi`.",
            )),
            openapi: r.flag(Ask("server.openapi", "true", "Serve the OpenAPI document at `/openapi.json`.")),
        };
        if it.admin_listen.is_some_and(|admin| collide(admin, it.listen)) {
            r.wrong("server.admin_listen", "is the same as server.listen: choose another port, or leave it unset");
        }
        if it.docs && !it.openapi && r.is_set("server.docs") {
            r.wrong("server.docs", "needs server.openapi: the page reads the document");
        }
        it
    }

    /// Whether the docs page is served: it has nothing to show without the document.
    pub const fn serves_docs(&self) -> bool {
        self.docs && self.openapi
    }
}

/// Whether two sockets cannot both be bound.
pub(in crate::config) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

fn check_origins(origins: &[String]) -> Result<(), String> {
    if origins.iter().any(|origin| origin == "*") && origins.len() > 1 {
        return Err("`*` allows every origin: leave the others away, or leave `*` away".to_owned());
    }
    for origin in origins.iter().filter(|origin| *origin != "*") {
        let uri = check_url(origin).ok().and_then(|()| origin.parse::<http::Uri>().ok());
        if !uri.is_some_and(|uri| uri.path() == "/" && uri.query().is_none() && !origin.ends_with('/')) {
            return Err(format!(
                "{origin:?} is not an origin: write scheme, host and port only, such as https://files.example.org"
            ));
        }
    }
    Ok(())
}

/// A URL over http or https, without user and password.
pub(super) fn check_url(text: &str) -> Result<(), String> {
    let uri = text.parse::<http::Uri>().ok();
    let sound = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri
                .authority()
                .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty())
    });
    // The text may hold a password and is not repeated.
    if sound { Ok(()) } else { Err("must be a URL such as https://host:4318, without user and password".to_owned()) }
}

/// `peer`: the port on which nodes of the element and the operator speak to this node.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Host and port at which other nodes reach it.
    pub advertise: String,
    /// Its certificate, for both sides of a connection.
    pub cert_file: PathBuf,
    /// The key of that.
    pub key_file: PathBuf,
    /// The one authority whose certificates count, the others' and its own.
    pub ca_file: PathBuf,
}

impl PeerConfig {
    pub(in crate::config) const KEYS: [&'static str; 5] =
        ["peer.listen", "peer.advertise", "peer.cert_file", "peer.key_file", "peer.ca_file"];

    /// All of it, or `None`: no peer port.
    pub(in crate::config) fn read(r: &mut Reader) -> Option<Self> {
        let listen = r.address(Ask(
            "peer.listen",
            "",
            "Address and port for the other nodes of the element and the operator, over TLS with a certificate on both \
             sides. Standbys pass writes on through it; phases of mode changes come through it only. Unset: no peer \
             port. All keys of the section are set, or none; `election.kind: lease` with several replicas needs them.",
        ));
        let advertise = r.checked_text(
            Ask(
                "peer.advertise",
                "",
                "Host and port at which the other nodes reach this one, such as \
                 `files-0.files-headless.prod.svc:8443`: the certificate has to be for this host.",
            ),
            |text| {
                PeerAddress::parse(text)
                    .map(drop)
                    .map_err(|_| format!("must be a host with a port, such as node-0.example.org:8443, not {text:?}"))
            },
        );
        let cert_file = r.path(Ask(
            "peer.cert_file",
            "",
            "PEM file with the certificate chain of the peer port, used as server and as client. Reloaded, with the \
             other two files, when it changes.",
        ));
        let key_file = r.path(Ask("peer.key_file", "", "PEM file with its private key."));
        let ca_file = r.path(Ask(
            "peer.ca_file",
            "",
            "PEM file with the authority of the element's peers: who shows a certificate that it has signed is \
             believed about whom a request is from, and nobody else gets in.",
        ));
        let set = Self::KEYS.iter().copied().find(|key| r.is_set(key))?;
        for key in Self::KEYS {
            if !r.is_set(key) {
                r.wrong(key, format!("is needed together with {set}: set all keys of peer, or none"));
            }
        }
        Some(Self {
            listen: listen?,
            advertise: advertise?,
            cert_file: cert_file?,
            key_file: key_file?,
            ca_file: ca_file?,
        })
    }
}

/// `tls`: the certificate of the API; none: plain HTTP.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The certificate chain.
    pub cert_file: Option<PathBuf>,
    /// Its private key.
    pub key_file: Option<PathBuf>,
}

impl TlsConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let it = Self {
            cert_file: r.path(Ask(
                "tls.cert_file",
                "",
                "PEM file with the certificate chain of the API (and of `server.admin_listen`), the node's own \
                 certificate first. Reloaded when it changes. Unset: plain HTTP.",
            )),
            key_file: r.path(Ask("tls.key_file", "", "PEM file with its private key.")),
        };
        both_or_none(r, "tls.cert_file", "tls.key_file");
        it
    }
}

/// `auth`: how tokens are checked.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// `auth.jwt`.
    pub jwt: JwtConfig,
}

/// `auth.jwt`.
#[derive(Clone, Debug)]
pub struct JwtConfig {
    /// The issuers' public keys: a JWKS file, a PEM file, or a folder of both.
    pub keys: PathBuf,
    /// The operator's public keys; `None`: no token of the operator is accepted.
    pub operator_keys: Option<PathBuf>,
    /// What `iss` must be; `None`: not checked.
    pub issuer: Option<String>,
    /// What `aud` must contain; `None`: not checked.
    pub audience: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// The longest `exp − iat`; `None`: no limit.
    pub max_token_lifetime: Option<Duration>,
}

impl AuthConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let keys = r.path(Ask(
            "auth.jwt.keys",
            "",
            "The public keys that tokens are checked with: a JWKS file (`.json`), a PEM file, or a \
             folder of such files. Reloaded when they \
                 change. A key is named by its `kid`, else by its RFC 7638 thumbprint; one of a PEM file by the \
                 file's name without `.pem`. Required.",
        ));
        if keys.is_none() && !r.is_set("auth.jwt.keys") {
            r.wrong(
                "auth.jwt.keys",
                "set it to a JWKS file, a PEM file or a folder with public keys: without keys nobody can be let in",
            );
        }
        let leeway = Ask("auth.jwt.leeway_seconds", "5", "How far the clocks of issuer and node may differ.");
        Self {
            jwt: JwtConfig {
                keys: keys.unwrap_or_default(),
                operator_keys: r.path(Ask(
                    "auth.jwt.operator_keys",
                    "",
                    "The operator's public keys, likewise. Tokens of issuer `storage-operator` are \
                     checked with these only. Unset: none is accepted.",
                )),
                issuer: r.checked_text(
                    Ask("auth.jwt.issuer", "", "What `iss` of a token must be. Unset: not checked."),
                    |issuer| {
                        if issuer == "storage-operator" {
                            return Err("is reserved for the operator, whose tokens are checked with \
                             auth.jwt.operator_keys"
                                .to_owned());
                        }
                        Ok(())
                    },
                ),
                audience: r.text(Ask(
                    "auth.jwt.audience",
                    "",
                    "What `aud` of a token must contain. Unset: not checked.",
                )),
                leeway: Duration::from_secs(r.whole(leeway, 0, 300, "seconds").unwrap_or_default()),
                max_token_lifetime: r.hours(
                    Ask(
                        "auth.jwt.max_token_lifetime_hours",
                        "",
                        "The longest life (`exp` − `iat`) of a token that is accepted. Unset: no limit.",
                    ),
                    1,
                ),
            },
        }
    }
}
