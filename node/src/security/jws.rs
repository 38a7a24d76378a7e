//! A token in its compact form (RFC 7515 §7.1), taken apart strictly and not yet believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserializer, IgnoredAny};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::token_error::TokenError;

/// The longest token that is looked at, in bytes.
pub(super) const TOKEN_LIMIT_BYTES: usize = 8 << 10;

/// The parts of a token that decide which key it is checked with.
pub(super) struct Jws<'a> {
    /// What is signed: header and payload as they came.
    pub signed: &'a [u8],
    /// The signature, base64url.
    pub signature: &'a str,
    pub kid: Option<String>,
    pub claims: Claims,
}

/// Header parameters that matter. `jwk`, `jku`, `x5u` and `x5c` are not among them: a key is never taken from a token.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// Claims that matter (the product specification, `10-node`, Tokens). One that is there twice, or is of another type
/// than it should be, makes the token invalid; a role of a wrong type is no role.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub sub: Option<String>,
    pub username: Option<String>,
    pub preferred_username: Option<String>,
    pub full_name: Option<String>,
    pub name: Option<String>,
    pub role: Option<Value>,
    pub roles: Option<Value>,
    #[serde(rename = "type")]
    pub token_type: Option<String>,
    pub exp: Option<f64>,
    pub iat: Option<f64>,
    pub nbf: Option<f64>,
    pub iss: Option<String>,
    pub aud: Option<Audience>,
}

/// `aud` is one name or several (RFC 7519 §4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// True when the parameter is there, whatever it is, `null` included.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_LIMIT_BYTES {
            return Err(TokenError::invalid("the token is longer than 8192 bytes"));
        }
        let malformed = TokenError::invalid("the token is not a signed JWT of three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed.clone())?;
        let (header, payload) = signed.split_once('.').ok_or(malformed.clone())?;
        if payload.contains('.') {
            return Err(malformed);
        }
        let header: Header = decode(header, "the token's header is not readable")?;
        // Never the token's own word for it: there is one algorithm.
        if header.alg != "RS256" {
            return Err(TokenError::invalid("the token is not signed with RS256, the only algorithm accepted"));
        }
        if header.crit {
            return Err(TokenError::invalid("the token demands an extension (crit), and none is supported"));
        }
        if header.typ.is_some_and(|typ| !["jwt", "at+jwt"].contains(&typ.to_ascii_lowercase().as_str())) {
            return Err(TokenError::invalid("the token's typ is not JWT"));
        }
        let claims = decode(payload, "the token's claims are not readable: one is malformed or there twice")?;
        Ok(Self { signed: signed.as_bytes(), signature, kid: header.kid, claims })
    }
}

fn decode<T: DeserializeOwned>(part: &str, message: &'static str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::invalid(message))?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::invalid(message))
}
