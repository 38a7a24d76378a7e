//! The collector, as the exporter speaks to it: one connection for a batch of spans.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// How long one try may take, and a batch with all its tries: the default of OpenTelemetry.
pub(super) const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes: it says at most how many spans were refused, and why.
const ANSWER_LIMIT_BYTES: usize = 64 << 10;

/// Why spans cannot be exported at all.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// Not a URL.
    #[error("tracing.endpoint is not a URL such as http://collector:4318: {0}")]
    Endpoint(String),
    /// The collector's certificate could not be checked.
    #[error(
        "tracing.endpoint asks for TLS, and no certificate authority is trusted here: install the system's \
         (ca-certificates), or name a file in SSL_CERT_FILE"
    )]
    NoAuthority,
    /// The program's TLS cannot be set up.
    #[error("tracing.endpoint: TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Posts to the collector. Clones share what they tell.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    tls: Option<Arc<ClientConfig>>,
    reason: Arc<Mutex<String>>,
}

impl Collector {
    pub(super) fn new(endpoint: &Uri) -> Result<Self, OtlpError> {
        let tls = if endpoint.scheme_str() == Some("https") { Some(Arc::new(system_trust()?)) } else { None };
        Ok(Self::over(tls))
    }

    pub(super) fn over(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tls, reason: Arc::default() }
    }

    /// Why the last try without an answer failed.
    pub(super) fn reason(&self) -> String {
        self.reason.lock().clone()
    }

    async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let host = request.uri().host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = request.uri().port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some(config) => {
                let name = ServerName::try_from(host)?;
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
                exchange(stream, request).await
            }
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = tokio::time::timeout(EXPORT_TIMEOUT, self.post(request))
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        // The exporter keeps the reason to itself.
        *self.reason.lock() = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        answer
    }
}

async fn exchange<S>(stream: S, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    let authority = HeaderValue::from_str(authority)?;
    request.headers_mut().insert(HOST, authority);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        // The connection ends when the sender is gone and the answer is read.
        let (head, body) = sender.send_request(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT_BYTES).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    };
    // What breaks the connection breaks the answer, which says so.
    join(connection, answer).await.1
}

/// Trusts the authorities that the system trusts.
fn system_trust() -> Result<ClientConfig, OtlpError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(OtlpError::NoAuthority);
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
