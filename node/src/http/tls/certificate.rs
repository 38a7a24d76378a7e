//! A certificate chain and its private key, read from PEM files and checked.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier as _;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};

use super::mutual::{Sides, sides};

/// The largest file, in bytes: a chain of ten certificates is a fiftieth of it.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// Why a certificate cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file is there no longer, or cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// What stands in a file is damaged.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no certificate in the file.
    #[error("{}: no certificate in it: put the chain there in PEM (BEGIN CERTIFICATE), the node's own first", path.display())]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// There is no private key in the file.
    #[error(
        "{}: no private key in it that can be used: put one there in PEM, not encrypted (BEGIN PRIVATE KEY)",
        path.display()
    )]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// Key and certificate are not of one pair.
    #[error(
        "{}: this private key does not belong to the first certificate of {}: the node's own certificate comes first, \
         and both are replaced together",
        key_file.display(),
        cert_file.display()
    )]
    KeyMismatch {
        /// The certificate.
        cert_file: PathBuf,
        /// The key.
        key_file: PathBuf,
    },
    /// The peers' authority does not know the certificate.
    #[error(
        "{}: this authority does not vouch for the node's own certificate as one of both sides, server and client:          {reason}",
        ca_file.display()
    )]
    NotOfAuthority {
        /// The authority.
        ca_file: PathBuf,
        /// What the check said.
        reason: String,
    },
}

/// Where certificate and key are, and for peers the authority.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    pub(super) ca: Option<PathBuf>,
}

/// Stands for the bytes of all files. Compared instead of time stamps: Kubernetes swaps a mounted Secret by one
/// symbolic link, and the key itself is not kept longer than needed.
pub(super) type Fingerprint = [[u8; 32]; 3];

/// The files as they were read.
pub(super) struct Pem<'a> {
    files: &'a Files,
    chain: Vec<u8>,
    key: Vec<u8>,
    ca: Option<(&'a Path, Vec<u8>)>,
}

impl<'a> Pem<'a> {
    pub(super) fn read(files: &'a Files) -> Result<Self, TlsError> {
        let ca = files.ca.as_deref().map(|path| read(path).map(|bytes| (path, bytes))).transpose()?;
        Ok(Self { files, chain: read(&files.cert)?, key: read(&files.key)?, ca })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let ca = self.ca.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        [&self.chain, &self.key, ca].map(|bytes| {
            let mut hash = [0; 32];
            hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
            hash
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |reason: String| TlsError::Unreadable { path: path.to_path_buf(), reason };
    let kind = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    // A pipe would never end.
    if !kind.is_file() {
        return Err(unreadable("not a file".to_owned()));
    }
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        return Err(unreadable(format!("more than {FILE_LIMIT_BYTES} bytes are no certificate and no key")));
    }
    Ok(bytes)
}

/// What handshakes are made with.
pub(super) struct Certificate {
    pub(super) server: Arc<ServerConfig>,
    /// The other side of a peer port.
    pub(super) client: Option<Arc<ClientConfig>>,
    cert_file: PathBuf,
    validity: Validity,
}

/// What the clock says to the node's own certificate.
#[derive(Debug, PartialEq, Eq)]
enum Validity {
    /// Nothing against it.
    Now,
    /// It ended then, in Unix seconds.
    Ended(u64),
    /// It begins then, in Unix seconds.
    Begins(u64),
}

impl Certificate {
    pub(super) fn parse(pem: &Pem<'_>) -> Result<Self, TlsError> {
        let Files { cert, key: key_file, .. } = pem.files;
        let chain = parse_chain(cert, &pem.chain)?;
        let key = PrivateKeyDer::from_pem_slice(&pem.key).map_err(|error| match error {
            pem::Error::NoItemsFound => TlsError::NoKey { path: key_file.clone() },
            error => TlsError::Malformed { path: key_file.clone(), reason: damage(&error) },
        })?;
        let validity = chain.first().map_or(Validity::Now, validity);
        let wrong = |error| match error {
            Error::InconsistentKeys(_) => TlsError::KeyMismatch { cert_file: cert.clone(), key_file: key_file.clone() },
            Error::InvalidCertificate(error) => {
                TlsError::Malformed { path: cert.clone(), reason: format!("is not a usable certificate: {error}") }
            }
            error => TlsError::Malformed { path: key_file.clone(), reason: format!("is not a usable key: {error}") },
        };
        let (server, client) = match &pem.ca {
            None => (public(chain, key).map_err(wrong)?, None),
            Some((ca_file, ca)) => {
                let Sides { server, client } = sides(chain, key, (ca_file, ca), wrong)?;
                (server, Some(Arc::new(client)))
            }
        };
        Ok(Self { server: Arc::new(server), client, cert_file: cert.clone(), validity })
    }

    /// Tells what was loaded, and warns of one that clients will refuse.
    pub(super) fn log(&self, what: &'static str) {
        let cert_file = self.cert_file.display();
        match self.validity {
            Validity::Now => tracing::info!(%cert_file, "{what}"),
            Validity::Ended(at) => tracing::warn!(
                %cert_file, ended = date(at), "{what}, but has expired: clients refuse it until it is replaced"
            ),
            Validity::Begins(at) => tracing::warn!(
                %cert_file, begins = date(at), "{what}, but is not valid yet: clients refuse it until then"
            ),
        }
    }
}

/// For a port that anyone may connect to.
fn public(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates in a file; at least one.
pub(super) fn chain(cert_file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    parse_chain(cert_file, &read(cert_file)?)
}

pub(super) fn parse_chain(cert_file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Malformed { path: cert_file.to_path_buf(), reason: damage(&error) })?;
    if chain.is_empty() { Err(TlsError::NoCertificate { path: cert_file.to_path_buf() }) } else { Ok(chain) }
}

/// What is wrong with a file in PEM. Without the parser's own words: they quote the file, which may hold a key.
fn damage(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "ends within a section: the line with END is missing",
        pem::Error::Base64Decode(_) => "a section of it is not in base64",
        _ => "is not in PEM",
    }
    .to_owned()
}

/// Asks the verifier that clients use, with the certificate as its own authority: the dates are what it looks at first,
/// and anything else that it may say is the clients' matter.
fn validity(own: &CertificateDer<'_>) -> Validity {
    let mut roots = RootCertStore::empty();
    let verifier = roots.add(own.clone().into_owned()).ok().and_then(|()| {
        WebPkiServerVerifier::builder_with_provider(roots.into(), default_provider().into()).build().ok()
    });
    let Some((verifier, name)) = verifier.zip(ServerName::try_from("storage-node").ok()) else { return Validity::Now };
    match verifier.verify_server_cert(own, &[], &name, &[], UnixTime::now()) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Validity::Ended(not_after.as_secs())
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            Validity::Begins(not_before.as_secs())
        }
        _ => Validity::Now,
    }
}

fn date(unix_seconds: u64) -> String {
    let at = i64::try_from(unix_seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::{Validity, validity};

    #[test]
    fn dates_of_the_certificate_are_seen() {
        let key = KeyPair::generate().unwrap();
        let made = |from: i32, to: i32| {
            let mut params = CertificateParams::new(vec!["node.example.org".to_owned()]).unwrap();
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
            params.self_signed(&key).unwrap()
        };
        assert_eq!(validity(made(2020, 4000).der()), Validity::Now);
        assert_eq!(validity(made(2020, 2021).der()), Validity::Ended(1_609_459_200));
        assert_eq!(validity(made(3000, 4000).der()), Validity::Begins(32_503_680_000));
        assert_eq!(super::date(1_609_459_200), "2021-01-01T00:00:00Z");
    }
}
