//! Attacks on tokens, each by name, and what honest tokens get.

mod attacks;
mod keys;
mod rules;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::claims::TokenRules;
use super::super::mint::{generate_private_key, public_jwks};
use super::{Authenticator, KeyStore, TokenError};
use crate::security::{Caller, TokenReason};

/// The moment at which all of these tests happen, in seconds since 1970.
const NOW: f64 = 1_800_000_000.0;

/// An RSA key of the tests.
struct TestKey {
    private_pem: String,
    kid: String,
    jwks: String,
}

fn test_key() -> TestKey {
    let private_pem = generate_private_key().unwrap();
    let (kid, jwks) = public_jwks(private_pem.as_bytes()).unwrap();
    TestKey { private_pem, kid, jwks }
}

static ISSUER: LazyLock<TestKey> = LazyLock::new(test_key);
static OPERATOR: LazyLock<TestKey> = LazyLock::new(test_key);
static STRANGER: LazyLock<TestKey> = LazyLock::new(test_key);

impl TestKey {
    fn jwk(&self) -> Value {
        serde_json::from_str::<Value>(&self.jwks).unwrap()["keys"][0].clone()
    }

    /// The public half as RFC 8017 writes it: 2048 bits, exponent 65537.
    fn pkcs1(&self) -> Vec<u8> {
        let n = URL_SAFE_NO_PAD.decode(self.jwk()["n"].as_str().unwrap()).unwrap();
        let head = hex::decode("3082010a0282010100").unwrap();
        [head.as_slice(), &n, &[0x02, 0x03, 0x01, 0x00, 0x01]].concat()
    }

    /// Signs any header and payload.
    fn sign(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let key = EncodingKey::from_rsa_pem(self.private_pem.as_bytes()).unwrap();
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::RS256).unwrap();
        format!("{signed}.{signature}")
    }

    fn token(&self, claims: &Value) -> String {
        self.token_text(&claims.to_string())
    }

    fn token_text(&self, payload: &str) -> String {
        self.sign(&json!({"alg": "RS256", "kid": self.kid}).to_string(), payload)
    }
}

/// Good claims with these changed; null removes.
fn claims(changed: &Value) -> Value {
    let mut all = json!({"sub": "u-1", "type": "access", "role": "user", "iat": NOW, "exp": NOW + 300.0});
    for (name, value) in changed.as_object().unwrap() {
        match value {
            Value::Null => all.as_object_mut().unwrap().remove(name),
            value => all.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    all
}

struct Node {
    folder: TempDir,
    authenticator: Authenticator,
}

impl Node {
    fn start(rules: TokenRules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("jwks.json"), &ISSUER.jwks).unwrap();
        std::fs::write(folder.path().join("operator.json"), &OPERATOR.jwks).unwrap();
        let at = |name: &str| folder.path().join(name);
        let keys = Arc::new(KeyStore::open(at("jwks.json"), Some(at("operator.json"))).unwrap());
        let rules = TokenRules { leeway: Duration::from_secs(5), element_id: "element-1".to_owned().into(), ..rules };
        Self { authenticator: Authenticator { now: || NOW, ..Authenticator::new(keys, rules) }, folder }
    }

    fn plain() -> Self {
        Self::start(TokenRules::default())
    }

    fn jwks_path(&self) -> std::path::PathBuf {
        self.folder.path().join("jwks.json")
    }

    fn check(&self, token: &str) -> Result<Caller, TokenError> {
        self.authenticator.authenticate(&bearer(token))
    }

    /// Checks a token of the issuer's with these claims changed.
    fn check_claims(&self, changed: &Value) -> Result<Caller, TokenError> {
        self.check(&ISSUER.token(&claims(changed)))
    }
}

fn bearer(token: &str) -> HeaderMap {
    headers(&[&format!("Bearer {token}")])
}

fn headers(values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap())).collect()
}

fn reason(result: &Result<Caller, TokenError>) -> Option<TokenReason> {
    result.as_ref().err().map(|error| error.reason)
}

const INVALID: Option<TokenReason> = Some(TokenReason::InvalidToken);

/// A JWKS of several keys under these names.
fn write_jwks(path: &Path, keys: &BTreeMap<&str, &TestKey>) {
    let jwks: Vec<Value> = keys
        .iter()
        .map(|(kid, key)| {
            let mut jwk = key.jwk();
            jwk["kid"] = json!(kid);
            jwk
        })
        .collect();
    std::fs::write(path, json!({"keys": jwks}).to_string()).unwrap();
}
