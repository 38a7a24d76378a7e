//! Tokens for tests: an RSA key made for this run, and whatever claims a test wants signed with it.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A signing key with its id.
pub struct Tokens {
    key: RsaKeyPair,
    kid: String,
}

impl Tokens {
    /// A new 2048-bit key with this id.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn generate(kid: &str) -> Result<Self> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("no RSA key could be made"))?;
        Ok(Self { key, kid: kid.to_owned() })
    }

    /// The key that all nodes of this process trust by default, made once.
    ///
    /// # Panics
    /// When no key can be made.
    #[allow(clippy::expect_used)]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Tokens> = OnceLock::new();
        SHARED.get_or_init(|| Self::generate("test").expect("an RSA key"))
    }

    /// The public half as one entry of a JWKS.
    pub fn jwk(&self) -> Value {
        let public = self.key.public_key();
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// A JWKS with this key alone.
    pub fn jwks(&self) -> String {
        json!({ "keys": [self.jwk()] }).to_string()
    }

    /// The public half as PEM.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn public_pem(&self) -> Result<String> {
        let der = self.key.public_key().as_der().map_err(|_| anyhow!("the public key cannot be encoded"))?;
        Ok(pem("PUBLIC KEY", der.as_ref()))
    }

    /// The private half as PEM (PKCS #8), as `storage-node token --key` takes it.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn private_pem(&self) -> Result<String> {
        let der = self.key.as_der().map_err(|_| anyhow!("the private key cannot be encoded"))?;
        Ok(pem("PRIVATE KEY", der.as_ref()))
    }

    /// An access token for `role`, valid for an hour, of subject `{role}-1`.
    pub fn role(&self, role: &str) -> String {
        self.claims(&standard_claims(&format!("{role}-1"), role))
    }

    /// A token with these claims and the usual header.
    pub fn claims(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "RS256", "typ": "JWT", "kid": self.kid}), claims)
    }

    /// A token with this header and these claims, signed RS256 whatever the header says.
    ///
    /// # Panics
    /// When the system has no randomness.
    #[allow(clippy::expect_used)]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .expect("signing with a fresh key");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// What an access token has to carry, valid for an hour from now.
pub fn standard_claims(sub: &str, role: &str) -> Value {
    let now = now_seconds();
    json!({
        "sub": sub, "username": sub, "full_name": format!("The {role}"), "role": role,
        "type": "access", "iat": now, "exp": now + 3600,
    })
}

/// Seconds since 1970.
pub fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}
