//! An RSA key pair as it is kept: the private half in PEM, the public half as a JWKS under its thumbprint.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::json;

use super::KeyError;

/// The smallest modulus that nodes accept, in bits (RFC 7518 §3.3).
const LEAST_BITS: usize = 2048;

/// A private key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an RSA private key in PEM (PKCS#8 or PKCS#1) of 2048 bits or more")]
pub struct UnusableKey;

/// A key pair.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// PKCS#8 or PKCS#1 in PEM.
    pub private_pem: String,
    /// The key's name: its thumbprint (RFC 7638).
    pub kid: String,
    /// The public half: a JWKS document.
    pub jwks: String,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl KeyPair {
    /// Makes a pair of 2048, 3072 or 4096 bits. Takes up to seconds of one core.
    pub(super) fn generate(bits: u32) -> Result<Self, KeyError> {
        let size = match bits {
            0..=2048 => KeySize::Rsa2048,
            2049..=3072 => KeySize::Rsa3072,
            _ => KeySize::Rsa4096,
        };
        let failed = |what: &str| KeyError::NotMade(what.to_owned());
        let pair = RsaKeyPair::generate(size).map_err(|_| failed("the system gave no random numbers"))?;
        let der = pair.as_der().map_err(|_| failed("it could not be written as PKCS#8"))?;
        let body = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        Self::from_pem(&pem).map_err(|error| KeyError::NotMade(error.to_string()))
    }

    /// From the private half.
    ///
    /// # Errors
    /// [`UnusableKey`].
    pub fn from_pem(private_pem: &str) -> Result<Self, UnusableKey> {
        let key = EncodingKey::from_rsa_pem(private_pem.as_bytes()).map_err(|_| UnusableKey)?;
        let pair = RsaKeyPair::from_der(key.as_bytes())
            .or_else(|_| RsaKeyPair::from_pkcs8(key.as_bytes()))
            .map_err(|_| UnusableKey)?;
        if pair.public_modulus_len() * 8 < LEAST_BITS {
            return Err(UnusableKey);
        }
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let encode = |number: &[u8]| {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            URL_SAFE_NO_PAD.encode(&number[zeros..])
        };
        let (n, e) = (encode(&n), encode(&e));
        let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        let jwk = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e});
        let jwks = format!("{:#}\n", json!({"keys": [jwk]}));
        Ok(Self { private_pem: private_pem.to_owned(), kid, jwks })
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyPair, UnusableKey};

    #[test]
    fn a_pair_reads_back_from_its_private_half() {
        let pair = KeyPair::generate(2048).unwrap();
        assert_eq!(KeyPair::from_pem(&pair.private_pem).unwrap(), pair);
        assert!(pair.jwks.contains(&pair.kid) && !pair.jwks.contains("\"d\""));
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(KeyPair::from_pem("nonsense"), Err(UnusableKey));
        assert_eq!(KeyPair::from_pem(""), Err(UnusableKey));
    }
}
