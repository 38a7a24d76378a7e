//! Keys: which are accepted, and how they follow their files.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::super::claims::TokenRules;
use super::super::super::keyfile::KeyError;
use super::super::{Authenticator, KeyStore};
use super::{INVALID, ISSUER, NOW, Node, STRANGER, bearer, claims, reason, write_jwks};

#[test]
fn a_token_without_kid_needs_a_node_with_one_key() {
    let node = Node::plain();
    let token = ISSUER.sign(r#"{"alg":"RS256"}"#, &claims(&json!({})).to_string());
    assert!(node.check(&token).is_ok());
    write_jwks(&node.jwks_path(), &BTreeMap::from([("a", &*ISSUER), ("b", &*STRANGER)]));
    node.authenticator.keys().reload();
    assert_eq!(reason(&node.check(&token)), INVALID, "remembered from before, but the keys have changed");
}

#[test]
fn a_removed_key_ends_its_tokens_and_a_new_one_counts_at_once() {
    let node = Node::plain();
    let (old, new) = (ISSUER.token(&claims(&json!({}))), STRANGER.token(&claims(&json!({}))));
    assert!(node.check(&old).is_ok());
    std::fs::write(node.jwks_path(), &STRANGER.jwks).unwrap();
    assert!(node.check(&new).is_ok(), "an unknown kid makes the node look");
    assert_eq!(reason(&node.check(&old)), INVALID);
    assert_eq!(node.authenticator.keys().loaded_kids().issuer, [STRANGER.kid.as_str()]);
    std::fs::write(node.jwks_path(), &ISSUER.jwks).unwrap();
    assert_eq!(reason(&node.check(&old)), INVALID, "but not more than once a second");
    std::thread::sleep(Duration::from_millis(1100));
    assert!(node.check(&old).is_ok());
}

#[test]
fn keys_that_cannot_be_used_change_nothing_and_keys_that_are_gone_are_gone() {
    let node = Node::plain();
    let keys = Arc::clone(node.authenticator.keys());
    let token = ISSUER.token(&claims(&json!({})));
    for broken in ["", "{", "no key", r#"{"keys": 5}"#] {
        std::fs::write(node.jwks_path(), broken).unwrap();
        keys.reload();
        assert!(node.check(&token).is_ok(), "{broken}");
        let status = keys.status();
        assert!(status.ok && status.message.contains("could not be used"), "{status:?}");
    }
    std::fs::remove_file(node.jwks_path()).unwrap();
    keys.reload();
    assert_eq!(reason(&node.check(&token)), INVALID);
    assert!(!keys.status().ok, "{:?}", keys.status());
    std::fs::write(node.jwks_path(), &ISSUER.jwks).unwrap();
    keys.reload();
    assert!(node.check(&token).is_ok());
    assert!(keys.status().ok && !keys.status().message.contains("could not"), "{:?}", keys.status());
}

#[test]
fn a_node_does_not_start_without_keys_or_with_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(matches!(KeyStore::open(at("missing.json"), None), Err(KeyError::NoKey { .. })));
    assert!(matches!(KeyStore::open(folder.path().to_path_buf(), None), Err(KeyError::NoKey { .. })));
    std::fs::write(at("private.pem"), &ISSUER.private_pem).unwrap();
    let error = KeyStore::open(at("private.pem"), None).err().unwrap().to_string();
    assert!(error.contains("private key") && !error.contains("MII"), "{error}");
    let (n, other) = (&ISSUER.jwk()["n"], &STRANGER.jwk()["n"]);
    for (bad, says) in [
        (json!([{"kty": "RSA", "e": "AQAB", "n": "_".repeat(340)}]), "bits"),
        (json!([{"kty": "RSA", "e": "AQAB", "n": n, "d": "AA"}]), "private"),
        (json!([{"kty": "oct", "k": "AA"}]), "shared"),
        (json!([{"kty": "RSA", "e": "AQ", "n": n}]), "exponent"),
        (json!([{"kty": "RSA", "e": "AQAB", "n": "*"}]), "base64url"),
        (
            json!([{"kty": "RSA", "kid": "a", "e": "AQAB", "n": n}, {"kty": "RSA", "kid": "a", "e": "AQAB", "n": other}]),
            "two different",
        ),
    ] {
        std::fs::write(at("bad.json"), json!({"keys": bad}).to_string()).unwrap();
        let error = KeyStore::open(at("bad.json"), None).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
    let other = json!({"keys": [{"kty": "EC", "crv": "P-256"}, {"kty": "RSA", "use": "enc", "n": "x", "e": "x"}]});
    std::fs::write(at("other.json"), other.to_string()).unwrap();
    assert!(matches!(KeyStore::open(at("other.json"), None), Err(KeyError::NoKey { .. })));
}

#[test]
fn a_mounted_secret_is_followed_through_its_swap() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (version, key) in [("..1", &*ISSUER), ("..2", &*STRANGER)] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("jwks.json"), &key.jwks).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/jwks.json", at("jwks.json")).unwrap();
    let keys = KeyStore::open(folder.path().to_path_buf(), None).unwrap();
    assert_eq!(keys.loaded_kids().issuer, [ISSUER.kid.as_str()]);
    symlink("..2", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    keys.reload();
    assert_eq!(keys.loaded_kids().issuer, [STRANGER.kid.as_str()]);
}

#[tokio::test]
async fn the_watch_notices_a_change_and_ends_when_told() {
    let node = Node::plain();
    let keys = Arc::clone(node.authenticator.keys());
    let stop = tokio_util::sync::CancellationToken::new();
    let watch = tokio::spawn(Arc::clone(&keys).watch(stop.clone()));
    std::fs::write(node.jwks_path(), &STRANGER.jwks).unwrap();
    tokio::time::timeout(Duration::from_secs(10), async {
        while keys.loaded_kids().issuer != [STRANGER.kid.as_str()] {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    stop.cancel();
    watch.await.unwrap();
}

#[test]
fn a_pem_file_gives_its_name_to_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let body = STANDARD.encode(ISSUER.pkcs1());
    let pem = format!("-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----\n");
    std::fs::write(folder.path().join("key-2026.pem"), pem).unwrap();
    std::fs::write(folder.path().join("README.md"), "not a key").unwrap();
    std::fs::write(folder.path().join("more.json"), &STRANGER.jwks).unwrap();
    let keys = Arc::new(KeyStore::open(folder.path().to_path_buf(), None).unwrap());
    let mut kids = vec!["key-2026".to_owned(), STRANGER.kid.clone()];
    kids.sort();
    assert_eq!(keys.loaded_kids().issuer, kids);
    let authenticator = Authenticator { now: || NOW, ..Authenticator::new(keys, TokenRules::default()) };
    let token = ISSUER.sign(r#"{"alg":"RS256","kid":"key-2026"}"#, &claims(&json!({})).to_string());
    assert!(authenticator.authenticate(&bearer(&token)).is_ok());
}
