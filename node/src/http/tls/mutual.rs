//! TLS between the nodes of one element, and with the operator: both sides show a certificate, and only certificates of
//! the one pinned authority count. Nothing of the system's own trust is looked at.
//!
//! TLS 1.3 only: both ends are ours. Source of the rule: the product specification, `20-operator`, Channels and keys.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::TlsAcceptor;
use super::certificate::{Files, TlsError, parse_chain};

const VERSIONS: [&SupportedProtocolVersion; 1] = [&TLS13];

/// Both sides of the peer port, following their three files.
#[derive(Clone)]
pub struct MutualTls(Arc<TlsAcceptor>);

impl MutualTls {
    /// Reads certificate chain, private key and authority from PEM files. A handshake that takes longer than
    /// `handshake_timeout` is given up.
    ///
    /// # Errors
    /// When the files cannot be used, or the authority has not signed the certificate for both sides of a connection.
    pub fn open(cert: &Path, key: &Path, ca: &Path, handshake_timeout: Duration) -> Result<Self, TlsError> {
        let files = Files { cert: cert.to_path_buf(), key: key.to_path_buf(), ca: Some(ca.to_path_buf()) };
        TlsAcceptor::follow(files, handshake_timeout).map(|acceptor| Self(Arc::new(acceptor)))
    }

    /// The side that is connected to: who shows no certificate of the authority does not get in.
    pub fn acceptor(&self) -> Arc<TlsAcceptor> {
        Arc::clone(&self.0)
    }

    /// The side that connects to `host`, a name or an address that the other's certificate has to be for. The caller
    /// bounds the time.
    ///
    /// # Errors
    /// When the other side is not who it should be, or does not take this side's certificate (which TLS 1.3 may tell
    /// only with the first bytes that are read: [`is_refusal`]).
    pub async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name =
            ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?.to_owned();
        let client = self.0.client().ok_or_else(|| io::Error::other("there is no certificate to show"))?;
        TlsConnector::from(client).connect(name, stream).await
    }
}

/// Whether the other side refused this side's certificate: then it has read nothing of what was sent.
pub fn is_refusal(error: &io::Error) -> bool {
    let alert = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(
        alert,
        Some(Error::AlertReceived(
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::DecryptError
        ))
    )
}

/// What handshakes of either side are made with.
pub(super) struct Sides {
    pub(super) server: ServerConfig,
    pub(super) client: ClientConfig,
}

/// Makes both sides.
///
/// # Errors
/// As [`MutualTls::open`]; `wrong` names what is wrong with certificate and key themselves.
pub(super) fn sides(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    (ca_file, ca): (&Path, &[u8]),
    wrong: impl Fn(Error) -> TlsError,
) -> Result<Sides, TlsError> {
    let roots = Arc::new(authorities(ca_file, ca)?);
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
        .build()
        .map_err(|error| TlsError::Malformed { path: ca_file.to_path_buf(), reason: error.to_string() })?;
    is_of_authority(&chain, verifier.as_ref(), ca_file)?;
    let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&VERSIONS)
        .and_then(|builder| {
            builder.with_client_cert_verifier(verifier).with_single_cert(chain.clone(), key.clone_key())
        })
        .map_err(&wrong)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&VERSIONS)
        .and_then(|builder| builder.with_root_certificates(roots).with_client_auth_cert(chain, key))
        .map_err(wrong)?;
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Sides { server, client })
}

fn authorities(ca_file: &Path, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in parse_chain(ca_file, pem)? {
        roots.add(authority).map_err(|error| TlsError::Malformed {
            path: ca_file.to_path_buf(),
            reason: format!("is not a usable authority: {error}"),
        })?;
    }
    Ok(roots)
}

/// A node whose own certificate no peer would take must not start with it. Its dates are told elsewhere.
fn is_of_authority(
    chain: &[CertificateDer<'static>],
    verifier: &dyn ClientCertVerifier,
    ca_file: &Path,
) -> Result<(), TlsError> {
    let Some((own, intermediates)) = chain.split_first() else { return Ok(()) };
    match verifier.verify_client_cert(own, intermediates, UnixTime::now()) {
        Ok(_)
        | Err(Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => Ok(()),
        Err(error) => Err(TlsError::NotOfAuthority { ca_file: ca_file.to_path_buf(), reason: error.to_string() }),
    }
}
