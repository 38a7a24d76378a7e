//! Makes tokens: for `storage-node token`, and for development.

use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::caller::Role;
use super::rsa::{LEAST_BITS, RsaPublicKey};
use crate::model::Timestamp;

/// Why a token or a key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The private key cannot be used.
    #[error("the key cannot sign tokens: it must be an RSA private key in PEM (PKCS#8 or PKCS#1) of 2048 bits or more")]
    PrivateKey,
    /// The cryptographic library failed.
    #[error("the token or key could not be made: {0}")]
    Failed(String),
    /// A file of the development keys could not be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// What the system said.
        reason: String,
    },
}

/// What a new token says.
#[derive(Clone, Debug)]
pub struct MintClaims {
    /// `sub`.
    pub sub: String,
    /// `role`.
    pub role: Role,
    /// `username`, if it is another than `sub`.
    pub username: Option<String>,
    /// `full_name`.
    pub full_name: Option<String>,
    /// How long it is valid, from now.
    pub ttl: Duration,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// The name of the key; without it the node must have exactly one.
    pub kid: Option<String>,
}

#[derive(Serialize)]
struct Payload<'a> {
    sub: &'a str,
    role: Role,
    #[serde(rename = "type")]
    token_type: &'static str,
    iat: i64,
    exp: i64,
    jti: uuid::Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// Makes an access token, signed with the private key in `private_pem` (PKCS#8 or PKCS#1).
///
/// # Errors
/// [`MintError`] when the key cannot be used.
pub fn mint(private_pem: &[u8], claims: &MintClaims) -> Result<String, MintError> {
    let key = EncodingKey::from_rsa_pem(private_pem).map_err(|_| MintError::PrivateKey)?;
    let iat = Timestamp::now().millis().div_euclid(1_000);
    let payload = Payload {
        sub: &claims.sub,
        role: claims.role,
        token_type: "access",
        iat,
        exp: iat.saturating_add(i64::try_from(claims.ttl.as_secs()).unwrap_or(i64::MAX)),
        jti: uuid::Uuid::new_v4(),
        username: claims.username.as_deref(),
        full_name: claims.full_name.as_deref(),
        iss: claims.issuer.as_deref(),
        aud: claims.audience.as_deref(),
    };
    let mut header = Header::new(Algorithm::RS256);
    header.kid.clone_from(&claims.kid);
    jsonwebtoken::encode(&header, &payload, &key).map_err(|_| MintError::PrivateKey)
}

/// Makes an RSA private key of 2048 bits: PKCS#8 in PEM. Takes a part of a second.
///
/// # Errors
/// [`MintError::Failed`] when the system has no randomness.
pub fn generate_private_key() -> Result<String, MintError> {
    let failed = |what: &str| MintError::Failed(what.to_owned());
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed("no key could be generated"))?;
    let der = pair.as_der().map_err(|_| failed("the key could not be written as PKCS#8"))?;
    let body = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
}

/// The public half of a private key, under its thumbprint as `kid`: the kid, and the JWKS document.
///
/// # Errors
/// [`MintError::PrivateKey`] when it cannot be used.
pub fn public_jwks(private_pem: &[u8]) -> Result<(String, String), MintError> {
    let key = EncodingKey::from_rsa_pem(private_pem).map_err(|_| MintError::PrivateKey)?;
    let pair = RsaKeyPair::from_der(key.as_bytes())
        .or_else(|_| RsaKeyPair::from_pkcs8(key.as_bytes()))
        .map_err(|_| MintError::PrivateKey)?;
    if pair.public_modulus_len() * 8 < LEAST_BITS {
        return Err(MintError::PrivateKey);
    }
    let public = RsaPublicKey::from_public(pair.public_key()).map_err(|_| MintError::PrivateKey)?;
    let kid = public.thumbprint();
    let jwks = serde_json::json!({"keys": [public.to_jwk(&kid)]});
    let text = serde_json::to_string_pretty(&jwks).map_err(|error| MintError::Failed(error.to_string()))?;
    Ok((kid, text + "\n"))
}
