//! A node that says what a test wants: the peer port with mutual TLS, `/info` and `/admin/mode`.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::ground::Ground;

/// The element's id, as this node says.
pub const ELEMENT_ID: &str = "018f0000-0000-7000-8000-000000000001";

/// What the node is and was asked.
#[derive(Default)]
pub struct Script {
    pub mode: String,
    pub master: String,
    pub pending_wal: u64,
    pub legal_holds: u64,
    /// How often `prepare` is answered with `draining` before `prepared`.
    pub drains: u32,
    pub prepared: Option<(String, u64)>,
    /// `phase transition attempt` of each request.
    pub asked: Vec<String>,
    pub infos: u32,
}

pub type Shared = Arc<Mutex<Script>>;

/// Serves at `address` with the element's own certificate.
pub async fn serve(ground: &Ground, element: &str, address: &str, script: Script) -> Shared {
    let secret = ground.get("Secret", &format!("{element}-peer-tls")).await.unwrap();
    let text = |key: &str| STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&text("ca.crt")) {
        roots.add(authority.unwrap()).unwrap();
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text("tls.crt")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&text("tls.key")).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((address, 8443)).await.unwrap();
    let shared = Arc::new(Mutex::new(script));
    let script = Arc::clone(&shared);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(move |request| {
                    let script = Arc::clone(&script);
                    async move { Ok::<_, std::convert::Infallible>(answer(request, &script).await) }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    shared
}

async fn answer(request: Request<Incoming>, script: &Mutex<Script>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut script = script.lock().unwrap();
    let (status, value) = match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/api/v1/info") => {
            script.infos += 1;
            (200, script.info())
        }
        (&Method::PUT, "/api/v1/admin/mode") if !is_the_operators(&parts.headers) => (401, json!({})),
        (&Method::PUT, "/api/v1/admin/mode") => script.put(&serde_json::from_slice(&body).unwrap_or_default()),
        _ => (404, json!({})),
    };
    Response::builder().status(status).body(Full::new(value.to_string().into())).unwrap()
}

/// What a node checks beside the signature.
fn is_the_operators(headers: &http::HeaderMap) -> bool {
    let token = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let payload = token.and_then(|token| token.split('.').nth(1)).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default();
    let life = claims["exp"].as_i64().unwrap_or(i64::MAX) - claims["iat"].as_i64().unwrap_or(0);
    claims["iss"] == "storage-operator" && claims["aud"] == ELEMENT_ID && claims["role"] == "admin" && life <= 60
}

impl Script {
    fn info(&self) -> Value {
        json!({
            "element_id": ELEMENT_ID, "version": "0.1.0", "mode": self.mode, "configured_mode": null, "role": "master",
            "epoch": 7, "master": self.master, "allowed_operations": [], "created_at": "2026-01-01T00:00:00Z",
            "capacity": {"total": 1_000_000_000, "used": 5_000_000, "available": 995_000_000, "level": "ok"},
            "seconds_since_renewal": 1.0,
            "files": {"active": 12, "deleted": 0, "pending_wal": self.pending_wal},
            "retention": {"latest_until": null, "legal_holds": self.legal_holds},
        })
    }

    fn put(&mut self, request: &Value) -> (u16, Value) {
        let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
        let (phase, id, attempt) = (text("phase"), text("transition_id"), request["attempt"].as_u64().unwrap_or(0));
        self.asked.push(format!("{phase} {attempt}"));
        let state = |mode: &str, phase: &str| json!({"mode": mode, "phase": phase});
        match phase.as_str() {
            "prepare" if self.drains > 0 => {
                self.drains -= 1;
                (200, state(&self.mode, "draining"))
            }
            "prepare" => {
                self.prepared = Some((id, attempt));
                (200, state(&self.mode, "prepared"))
            }
            "commit" if self.prepared == Some((id, attempt)) || self.mode == text("mode") => {
                self.prepared = None;
                self.mode = text("mode");
                (200, state(&self.mode, "committed"))
            }
            "commit" => (409, json!({"error": {"code": "INVALID_TRANSITION", "message": "not prepared"}})),
            _ => {
                self.prepared = None;
                (200, state(&self.mode, "aborted"))
            }
        }
    }
}
