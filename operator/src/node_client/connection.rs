//! One request to the peer port of one pod.
//!
//! The pod is reached by its address and known by its name: the certificate is for `*.NAME-headless.NAMESPACE.svc`, and a
//! name that the cluster's DNS does not know yet does not keep the operator out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::call::{NodeFailure, Target};
use crate::build::PEER_PORT;

/// The longest a call may take, answer included.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 1 << 20;

/// Sends a request and reads its answer.
pub(super) async fn send(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<(StatusCode, Bytes), NodeFailure> {
    match tokio::time::timeout(CALL_TIMEOUT, exchange(target, method, path, body)).await {
        Ok(answer) => answer,
        Err(_) => Err(NodeFailure::Unreachable(format!("pod {} did not answer within 10 s", target.pod))),
    }
}

async fn exchange(
    target: &Target,
    method: Method,
    path: &str,
    body: Option<Vec<u8>>,
) -> Result<(StatusCode, Bytes), NodeFailure> {
    let lost = |what: &str, error: &dyn std::fmt::Display| {
        NodeFailure::Unreachable(format!("pod {} {what}: {error}", target.pod))
    };
    let config = tls(target)?;
    let name = ServerName::try_from(target.host.clone()).map_err(|error| lost("has no valid name", &error))?;
    let tcp = TcpStream::connect((target.address.as_str(), PEER_PORT))
        .await
        .map_err(|error| lost("cannot be connected to on its peer port", &error))?;
    tcp.set_nodelay(true).map_err(|error| lost("broke the connection", &error))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .map_err(|error| lost("does not prove who it is", &error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| lost("broke the connection", &error))?;

    let mut request = Request::builder().method(method).uri(path).header(header::HOST, &target.host);
    if let Some(token) = target.token()? {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| lost("cannot be asked that", &error))?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| lost("broke the connection", &error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT).collect().await;
        Ok((status, body.map_err(|error| lost("broke its answer off", &error))?.to_bytes()))
    };
    // The connection is driven here, and ends with the answer: nothing is left running.
    tokio::pin!(connection);
    tokio::select! {
        answer = answer => answer,
        ended = &mut connection => Err(match ended {
            Ok(()) => lost("closed the connection", &"before its answer"),
            Err(error) => lost("broke the connection", &error),
        }),
    }
}

fn tls(target: &Target) -> Result<ClientConfig, NodeFailure> {
    let bad = |what: &str| NodeFailure::Keys(format!("Secret {}: {what}", target.certificate_secret));
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(target.authorities.as_bytes()) {
        let authority = authority.map_err(|_| bad("ca.crt is not PEM"))?;
        roots.add(authority).map_err(|_| bad("ca.crt holds what is no authority"))?;
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(target.certificate.as_bytes()).collect();
    let chain = chain.map_err(|_| bad("tls.crt is not PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(target.key.as_bytes()).map_err(|_| bad("tls.key is not a private key"))?;
    ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|_| bad("tls.crt and tls.key do not belong together"))
}
