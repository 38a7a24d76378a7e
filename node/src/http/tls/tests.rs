use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_util::sync::CancellationToken;

use super::{TlsAcceptor, TlsError, pinned_client};
use crate::http::limits::Limits;
use crate::http::server::serve;

const NAME: &str = "node.example.org";
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder like a mounted Secret: what is read are links through `..data`, which is swapped as a whole.
struct Secret {
    folder: TempDir,
    versions: std::cell::Cell<u32>,
}

impl Secret {
    fn new(cert: &str, key: &str) -> Self {
        let it = Self { folder: tempfile::tempdir().unwrap(), versions: 0.into() };
        it.swap(cert, key);
        for name in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(Path::new("..data").join(name), it.folder.path().join(name)).unwrap();
        }
        it
    }

    fn swap(&self, cert: &str, key: &str) {
        self.versions.set(self.versions.get() + 1);
        let version = format!("..{}", self.versions.get());
        let folder = self.folder.path().join(&version);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), cert).unwrap();
        std::fs::write(folder.join("tls.key"), key).unwrap();
        let link = self.folder.path().join("..data_tmp");
        std::os::unix::fs::symlink(version, &link).unwrap();
        std::fs::rename(link, self.folder.path().join("..data")).unwrap();
    }

    fn paths(&self) -> (PathBuf, PathBuf) {
        (self.folder.path().join("tls.crt"), self.folder.path().join("tls.key"))
    }

    fn open(&self) -> Result<TlsAcceptor, TlsError> {
        let (cert, key) = self.paths();
        TlsAcceptor::open(&cert, &key, PATIENCE)
    }

    fn holding(pair: &CertifiedKey<KeyPair>) -> Self {
        Self::new(&pair.cert.pem(), &pair.signing_key.serialize_pem())
    }

    fn now_holds(&self, pair: &CertifiedKey<KeyPair>) {
        self.swap(&pair.cert.pem(), &pair.signing_key.serialize_pem());
    }
}

fn pair() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec![NAME.to_owned()]).unwrap()
}

fn client(trusted: &CertifiedKey<KeyPair>, version: &'static SupportedProtocolVersion, alpn: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    Arc::new(config).into()
}

/// The certificate that is shown to a client that trusts `trusted`, or what the client said.
async fn shown(tls: &TlsAcceptor, trusted: &CertifiedKey<KeyPair>) -> Result<CertificateDer<'static>, String> {
    let (ours, theirs) = duplex(1 << 14);
    let connector = client(trusted, &TLS13, "h2");
    let connecting = connector.connect(ServerName::try_from(NAME).unwrap(), ours);
    let (_accepted, connected) = tokio::join!(tls.accept(theirs), connecting);
    let connected = connected.map_err(|error| error.to_string())?;
    Ok(connected.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

#[tokio::test]
async fn bytes_pass_over_each_version_and_each_protocol_of_http() {
    let pair = pair();
    let tls = Secret::holding(&pair).open().unwrap();
    for (version, alpn) in [(&TLS12, "http/1.1"), (&TLS13, "http/1.1"), (&TLS12, "h2"), (&TLS13, "h2")] {
        let (ours, theirs) = duplex(1 << 14);
        let connector = client(&pair, version, alpn);
        let connecting = connector.connect(ServerName::try_from(NAME).unwrap(), ours);
        let (accepted, connected) = tokio::join!(tls.accept(theirs), connecting);
        let (mut accepted, mut connected) = (accepted.unwrap(), connected.unwrap());
        assert_eq!(accepted.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(accepted.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
        connected.write_all(b"bytes").await.unwrap();
        connected.flush().await.unwrap();
        let mut received = [0; 5];
        accepted.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"bytes");
    }
}

#[tokio::test]
async fn a_swapped_secret_counts_for_the_next_connection_and_a_broken_one_does_not() {
    let (first, second) = (pair(), pair());
    let secret = Secret::holding(&first);
    let tls = secret.open().unwrap();
    assert_eq!(&shown(&tls, &first).await.unwrap(), first.cert.der());

    secret.now_holds(&second);
    tls.reload();
    assert_eq!(&shown(&tls, &second).await.unwrap(), second.cert.der());
    assert!(shown(&tls, &first).await.is_err(), "the old certificate is no longer shown");

    let (cert, key) = (second.cert.pem(), second.signing_key.serialize_pem());
    let cut = &cert[..cert.len() / 2];
    for (cert, key) in [("", ""), (cut, &*key), (&*cert, "no key"), (&*first.cert.pem(), &*key)] {
        secret.swap(cert, key);
        for _ in 0..3 {
            tls.reload();
        }
        assert!(tls.seen.lock().trouble.as_ref().is_some_and(|(_, logged)| *logged));
        assert_eq!(&shown(&tls, &second).await.unwrap(), second.cert.der());
    }
    std::fs::remove_file(secret.paths().0).unwrap();
    tls.reload();
    assert!(matches!(tls.seen.lock().trouble, Some((TlsError::Unreadable { .. }, false))));
    assert_eq!(&shown(&tls, &second).await.unwrap(), second.cert.der());
}

#[tokio::test]
async fn the_files_are_followed_until_the_node_stops() {
    let (first, second) = (pair(), pair());
    let secret = Secret::holding(&first);
    let tls = Arc::new(secret.open().unwrap());
    let stop = CancellationToken::new();
    let following = async {
        secret.now_holds(&second);
        let begun = std::time::Instant::now();
        while shown(&tls, &second).await.is_err() {
            assert!(begun.elapsed() < PATIENCE, "the change was not noticed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.cancel();
    };
    tokio::join!(Arc::clone(&tls).watch(stop.clone()), following);
}

#[test]
fn what_cannot_be_served_is_refused_with_the_files_name() {
    let (pair, other) = (pair(), pair());
    let (cert, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let not_a_key = key.replace("PRIVATE KEY", "RSA PRIVATE KEY");
    let not_base64 = cert.replacen("\nM", "\n!", 1);
    let refused = |cert: &str, key: &str| {
        let secret = Secret::new(cert, key);
        let error = secret.open().err().unwrap();
        (error.to_string().replace(&format!("{}/", secret.folder.path().display()), ""), error)
    };
    for (cert, key, says) in [
        (&*key, &*key, "tls.crt: no certificate in it"),
        ("", &*key, "tls.crt: no certificate in it"),
        (&cert[..cert.len() - 30], &*key, "tls.crt: ends within a section"),
        (&*not_base64, &*key, "tls.crt: a section of it is not in base64"),
        (&*cert, &*cert, "tls.key: no private key in it"),
        (&*cert, &*encrypted, "tls.key: no private key in it"),
        (&*cert, &*not_a_key, "tls.key: is not a usable key"),
        (&*cert, &*other.signing_key.serialize_pem(), "tls.key: this private key does not belong to the first"),
    ] {
        let (message, error) = refused(cert, key);
        assert!(message.starts_with(says), "{message}");
        let secret_line = key.lines().nth(1).filter(|_| key.contains("PRIVATE")).unwrap_or("no secret");
        assert!(!format!("{message} {error:?}").contains(secret_line), "{message}");
    }
    let missing = TlsAcceptor::open(Path::new("/nonexistent/a.pem"), Path::new("/nonexistent/b.pem"), PATIENCE);
    assert!(missing.err().unwrap().to_string().starts_with("/nonexistent/a.pem: cannot be read: "));
}

#[tokio::test]
async fn who_does_not_shake_hands_is_let_go() {
    let secret = Secret::holding(&pair());
    let (cert, key) = secret.paths();
    let impatient = TlsAcceptor::open(&cert, &key, Duration::from_millis(20)).unwrap();
    let (_silent, theirs) = duplex(64);
    let error = impatient.accept(theirs).await.err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);

    let tls = secret.open().unwrap();
    let (mut plain, theirs) = duplex(1024);
    plain.write_all(b"GET / HTTP/1.1\r\nHost: node\r\n\r\n").await.unwrap();
    assert!(tls.accept(theirs).await.is_err(), "what is not TLS is not taken for a request");
}

#[tokio::test]
async fn the_server_answers_over_tls_and_to_nothing_else() {
    let secret = Secret::holding(&pair());
    let tls = Some(Arc::new(secret.open().unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let router = Router::new().route("/hello", get(|| async { "hello" }));
    let server = serve(listener, tls, router, Limits::default(), stop.clone());
    let request = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let asking = async {
        // The node knows its own certificate by any name, and another one by none.
        let own = pinned_client(&secret.paths().0).unwrap();
        let by_address = || ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = own.connect(by_address(), TcpStream::connect(address).await.unwrap()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
        let other = pinned_client(&Secret::holding(&pair()).paths().0).unwrap();
        assert!(other.connect(by_address(), TcpStream::connect(address).await.unwrap()).await.is_err());

        let mut plain = TcpStream::connect(address).await.unwrap();
        plain.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));

        let _silent = TcpStream::connect(address).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.cancel();
    };
    // Who has not shaken hands does not hold up the end.
    tokio::time::timeout(PATIENCE / 2, async { tokio::join!(server, asking) }).await.unwrap();
}
