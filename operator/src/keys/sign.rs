//! The operator's tokens: for one element, for less than a minute.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use time::OffsetDateTime;

use super::{KeyPair, UnusableKey};
use crate::names::MANAGER;

/// How long a token is good. Nodes accept at most 60 s.
const LIFE_SECONDS: i64 = 50;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    role: &'a str,
    #[serde(rename = "type")]
    token_type: &'a str,
    iat: i64,
    exp: i64,
    jti: uuid::Uuid,
}

/// A token for the element with this id.
///
/// # Errors
/// [`UnusableKey`].
pub fn operator_token(pair: &KeyPair, element_id: &str) -> Result<String, UnusableKey> {
    let iat = OffsetDateTime::now_utc().unix_timestamp();
    let claims = Claims {
        iss: MANAGER,
        sub: "system:storage-operator",
        aud: element_id,
        role: "admin",
        token_type: "access",
        iat,
        exp: iat + LIFE_SECONDS,
        jti: uuid::Uuid::new_v4(),
    };
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(pair.kid.clone());
    let key = EncodingKey::from_rsa_pem(pair.private_pem.as_bytes()).map_err(|_| UnusableKey)?;
    jsonwebtoken::encode(&header, &claims, &key).map_err(|_| UnusableKey)
}
