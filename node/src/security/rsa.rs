//! RSA public keys as they stand in JWKS and PEM files: only what RS256 may be checked with gets through.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{PublicKey, PublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};

/// The smallest modulus that is accepted, in bits (RFC 7518 §3.3).
pub const LEAST_BITS: usize = 2048;

/// The largest one, in bits: what the library checks signatures with.
pub const MOST_BITS: usize = 8192;

/// A public key that tokens are checked with.
#[derive(Clone)]
pub(super) struct RsaPublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    /// What the library takes.
    pub decoding: DecodingKey,
}

impl PartialEq for RsaPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.modulus == other.modulus && self.exponent == other.exponent
    }
}

impl RsaPublicKey {
    fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, String> {
        let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
        if !(LEAST_BITS..=MOST_BITS).contains(&bits) {
            return Err(format!("the RSA key has {bits} bits: {LEAST_BITS} to {MOST_BITS} are accepted"));
        }
        // 1 would make every signature valid, an even one none.
        let odd = exponent.last().is_some_and(|last| last % 2 == 1);
        if !odd || exponent == [1] || exponent.len() > 4 {
            return Err("the RSA key has a public exponent that is not accepted: 65537 is usual".to_owned());
        }
        let decoding = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Ok(Self { modulus: modulus.to_vec(), exponent: exponent.to_vec(), decoding })
    }

    /// From `n` and `e` of a JWK (RFC 7518 §6.3.1).
    pub fn from_jwk(n: &str, e: &str) -> Result<Self, String> {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| "n or e is not base64url".to_owned());
        Self::new(&decode(n)?, &decode(e)?)
    }

    /// From PEM: `PUBLIC KEY` or `RSA PUBLIC KEY`. A private key is refused: it has no place on a node.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        if text.contains("PRIVATE KEY-----") {
            return Err("the file holds a private key: whoever reads it can make tokens. Put the public key here and \
                        keep the private one where tokens are made"
                .to_owned());
        }
        let der = pem_body(text)
            .ok_or("the file is not one PEM block `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`".to_owned())?;
        let key = PublicKey::from_der(&der).map_err(|_| "the PEM block is not an RSA public key".to_owned())?;
        Self::from_public(&key)
    }

    pub fn from_public(key: &PublicKey) -> Result<Self, String> {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key);
        Self::new(&n, &e)
    }

    /// The JWK thumbprint (RFC 7638), the name of a key that has none.
    pub fn thumbprint(&self) -> String {
        let canonical = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, self.e(), self.n());
        URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
    }

    /// The key as a JWK with this name.
    pub fn to_jwk(&self, kid: &str) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": self.n(), "e": self.e()})
    }

    fn n(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.modulus)
    }

    fn e(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.exponent)
    }
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

/// The bytes of the only PEM block of a public key.
fn pem_body(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    if !matches!(label, "PUBLIC KEY" | "RSA PUBLIC KEY") {
        return None;
    }
    let (body, rest) = rest.split_once(&format!("-----END {label}-----"))?;
    if rest.contains("-----BEGIN ") {
        return None;
    }
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}
