//! Who is believed: nobody on the public port, and on the peer port only who shows a certificate of the authority.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::ExtendedKeyUsagePurpose;
use storage_element_crds::Mode;
use storage_node::http::MutualTls;
use storage_node::security::Role;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::authority::{Authority, Files};
use crate::element::{Ground, Traits, token};
use crate::wire::{Answer, Wire, ask};

const PREPARE: &[u8] = br#"{"mode":"ro","phase":"prepare","transition_id":"t1","attempt":1}"#;
const ABORT: &[u8] = br#"{"mode":"ro","phase":"abort","transition_id":"t1"}"#;
const MODE: &str = "/api/v1/admin/mode";
/// What nodes say to each other about a request: never to change, or nodes of two versions do not understand each other.
const FORWARDED: &str = "storage-element-forwarded";
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Asks over the peer port as a peer does.
async fn as_peer(tls: &MutualTls, to: SocketAddr, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = tls.connect("127.0.0.1", TcpStream::connect(to).await.unwrap()).await.unwrap();
    let mut wire = Wire::new(stream);
    wire.send("PUT", MODE, headers, body).await;
    wire.answer().await
}

#[tokio::test]
async fn phases_come_through_the_peer_port_only() {
    let (ground, authority) = (Ground::new(Mode::Rw).await, Authority::new());
    let master = ground.master(Traits::with(authority.tls())).await;
    let standby = ground.standby(Traits::with(authority.tls())).await;
    standby.follows(master.peer.unwrap());
    let (admin, operator) = (token(Role::Admin), token(Role::Operator));
    let headers = [("Authorization", admin.as_str()), JSON, (FORWARDED, "peer 127.0.0.1:1")];
    for public in [master.public, standby.public] {
        for headers in [&headers[..2], &headers] {
            ask(public, "PUT", MODE, headers, PREPARE).await.is(403, "FORBIDDEN");
        }
    }
    let tls = authority.tls();
    for peer in [master.peer.unwrap(), standby.peer.unwrap()] {
        as_peer(&tls, peer, &[("Authorization", &operator), JSON], PREPARE).await.is(403, "FORBIDDEN");
        as_peer(&tls, peer, &[JSON], PREPARE).await.is(401, "UNAUTHORIZED");
        let answer = as_peer(&tls, peer, &headers[..2], PREPARE).await;
        assert_eq!(answer.status(), 200, "{}", answer.body);
        assert!(["draining", "prepared"].contains(&answer.json()["phase"].as_str().unwrap()), "{}", answer.body);
        assert_eq!(as_peer(&tls, peer, &headers[..2], ABORT).await.status(), 200);
    }
    // A peer says for whom it asks: a client of its public port has no more rights here than there.
    let passed = [headers[0], JSON, (FORWARDED, "public 127.0.0.1:1")];
    as_peer(&tls, master.peer.unwrap(), &passed, PREPARE).await.is(403, "FORBIDDEN");
    let garbled = [headers[0], JSON, (FORWARDED, "somebody")];
    as_peer(&tls, master.peer.unwrap(), &garbled, PREPARE).await.is(400, "VALIDATION_ERROR");
    // The whole change needs no such way.
    let whole = ask(standby.public, "PUT", MODE, &headers[..2], br#"{"mode":"ro"}"#).await;
    assert_eq!((whole.status(), whole.json()["mode"].as_str()), (200, Some("ro")), "{}", whole.body);
}

#[tokio::test]
async fn without_a_peer_port_an_admin_may_use_phases_on_the_public_one() {
    let ground = Ground::new(Mode::Rw).await;
    let node = ground.master(Traits::default()).await;
    let admin = token(Role::Admin);
    let answer = ask(node.public, "PUT", MODE, &[("Authorization", &admin), JSON], PREPARE).await;
    assert_eq!(answer.status(), 200, "{}", answer.body);
}

/// Whether `client` gets an answer at `peer`.
async fn gets_in(client: TlsConnector, peer: SocketAddr) -> bool {
    let stream = TcpStream::connect(peer).await.unwrap();
    // TLS 1.3 lets a client believe that it is in until it reads.
    let Ok(stream) = client.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await else { return false };
    let mut wire = Wire::new(stream);
    let request = "GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    let _ = tokio::io::AsyncWriteExt::write_all(&mut wire.stream, request.as_bytes()).await;
    wire.try_head().await.is_some_and(|head| head.status() == 200)
}

fn client(trusts: &Authority, shows: Option<(String, String)>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusts.pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shows {
        None => config.with_no_client_auth(),
        Some((cert, key)) => config
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    Arc::new(config).into()
}

#[tokio::test]
async fn who_shows_no_certificate_of_the_authority_does_not_get_in() {
    let (ground, authority) = (Ground::new(Mode::Edit).await, Authority::new());
    let node = ground.master(Traits::with(authority.tls())).await;
    let peer = node.peer.unwrap();
    assert!(gets_in(client(&authority, Some(authority.pair())), peer).await);
    assert!(!gets_in(client(&authority, None), peer).await, "no certificate");
    assert!(!gets_in(client(&authority, Some(Authority::new().pair())), peer).await, "a stranger's");
    let server_only = authority.signed(&[ExtendedKeyUsagePurpose::ServerAuth]);
    assert!(!gets_in(client(&authority, Some(server_only)), peer).await, "one that is for servers only");
    let mut plain = Wire::new(TcpStream::connect(peer).await.unwrap());
    plain.write("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // What comes, if anything, is a TLS alert.
    let mut answered = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut plain.stream, &mut answered).await;
    assert!(!answered.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answered));
}

#[test]
fn a_certificate_that_peers_would_refuse_is_refused_at_the_start() {
    let authority = Authority::new();
    let (cert, key) = authority.pair();
    let refused = |cert: &str, key: &str, ca: &str| Files::new(cert, key, ca).open().err().unwrap().to_string();
    let stranger = Authority::new();
    assert!(refused(&cert, &key, stranger.pem()).contains("does not vouch"));
    let (server, its_key) = authority.signed(&[ExtendedKeyUsagePurpose::ServerAuth]);
    assert!(refused(&server, &its_key, authority.pem()).contains("does not vouch"));
    assert!(refused(&cert, &key, "nothing").contains("ca.crt"));
    assert!(refused(&cert, &stranger.pair().1, authority.pem()).contains("tls.key"));
}
