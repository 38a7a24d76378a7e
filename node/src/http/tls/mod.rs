//! TLS of the API and of the peer port: handshakes with a certificate that follows its files.
//!
//! TLS 1.2 and 1.3 (RFC 8446), HTTP/2 or HTTP/1.1 by ALPN (RFC 7301). Source of the rule that certificates are
//! reloaded: the product specification, `10-node`, Security.

mod certificate;
mod mutual;
mod pinned;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::ClientConfig;
pub use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use certificate::{Certificate, Files, Fingerprint, Pem};

pub use certificate::TlsError;
pub use mutual::{MutualTls, is_refusal};
pub use pinned::pinned_client;

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(1);

/// What the last looks at the files found.
struct Seen {
    /// Of what is in force.
    fingerprint: Fingerprint,
    /// Why the files cannot be used; the flag says whether it was logged.
    trouble: Option<(TlsError, bool)>,
}

/// Speaks TLS on accepted connections, always with the certificate that its files hold.
pub struct TlsAcceptor {
    files: Files,
    handshake_timeout: Duration,
    current: ArcSwap<Certificate>,
    /// Held while the files are read; handshakes do not need it.
    seen: Mutex<Seen>,
}

impl TlsAcceptor {
    /// Reads certificate chain and private key from PEM files. A handshake that takes longer than `handshake_timeout`
    /// is given up.
    ///
    /// # Errors
    /// When the files cannot be used: a node that was given a certificate must not start without it. An expired
    /// certificate is no error: it is logged, and clients will say so too.
    pub fn open(cert_file: &Path, key_file: &Path, handshake_timeout: Duration) -> Result<Self, TlsError> {
        Self::follow(Files { cert: cert_file.to_path_buf(), key: key_file.to_path_buf(), ca: None }, handshake_timeout)
    }

    fn follow(files: Files, handshake_timeout: Duration) -> Result<Self, TlsError> {
        let pem = Pem::read(&files)?;
        let certificate = Certificate::parse(&pem)?;
        certificate.log("the certificate was loaded");
        let seen = Mutex::new(Seen { fingerprint: pem.fingerprint(), trouble: None });
        drop(pem);
        Ok(Self { files, handshake_timeout, current: ArcSwap::from_pointee(certificate), seen })
    }

    /// What this side shows to those it connects to, where it does.
    fn client(&self) -> Option<Arc<ClientConfig>> {
        self.current.load().client.clone()
    }

    /// Shakes hands with who has connected. To be called in the connection's own task: the peer decides how long it
    /// takes, up to the time-out.
    ///
    /// # Errors
    /// What the peer did wrong, or that it was too slow.
    pub async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.current.load().server)).accept(stream);
        tokio::time::timeout(self.handshake_timeout, handshake)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long"))?
    }

    /// Follows the files until `stop`. To be run as a task of the node's. Connections that are open keep the
    /// certificate that they began with.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            let tls = Arc::clone(&self);
            // The outcome is kept in the acceptor; a panic in it would have been logged by the hook.
            let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
        }
    }

    /// Looks at the files now. Contents that cannot be used change nothing.
    pub fn reload(&self) {
        let mut seen = self.seen.lock();
        let Err(error) = self.reload_changed(&mut seen) else { return };
        // Files that are replaced one after the other do not match for a moment: what is still wrong at the next look
        // is worth a line, once.
        let (again, logged) = seen.trouble.as_ref().map_or((false, false), |(last, logged)| (*last == error, *logged));
        if again && !logged {
            tracing::error!(%error, "the certificate could not be loaded again: the one loaded before stays in force");
        }
        seen.trouble = Some((error, again));
    }

    fn reload_changed(&self, seen: &mut Seen) -> Result<(), TlsError> {
        let pem = Pem::read(&self.files)?;
        let fingerprint = pem.fingerprint();
        if fingerprint == seen.fingerprint {
            seen.trouble = None;
            return Ok(());
        }
        let certificate = Certificate::parse(&pem)?;
        certificate.log("the certificate has changed");
        self.current.store(Arc::new(certificate));
        *seen = Seen { fingerprint, trouble: None };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
