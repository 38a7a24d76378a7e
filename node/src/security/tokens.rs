//! Lets requests in: a token in the header, checked with the keys in force.
//!
//! Source of the rules: the product specification, `10-node`, Security and Tokens, and `15-api`, Tokens.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::Algorithm;
use moka::sync::Cache;
use uuid::Uuid;

use super::caller::Caller;
use super::claims::{OPERATOR_ISSUER, TokenRules, Validity, judge};
use super::jws::Jws;
use super::keyfile::Keys;
use super::keys::{KeySet, KeyStore};
use super::token_error::TokenError;

/// How many verified tokens are remembered, about 1 KiB each.
const REMEMBERED_TOKENS: u64 = 8_192;

/// A token that was verified, so that its signature need not be checked for every request.
struct Verified {
    caller: Caller,
    validity: Validity,
    /// Keys it was checked with; with other keys it is checked again.
    generation: u64,
}

/// Lets requests in.
pub struct Authenticator {
    keys: Arc<KeyStore>,
    rules: TokenRules,
    /// By the SHA-256 of the token, so that no token is kept.
    verified: Cache<[u8; 32], Arc<Verified>>,
    now: fn() -> f64,
}

/// The wall clock in seconds since 1970.
fn wall_clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Authenticator {
    /// Lets in who has a token that `keys` and `rules` accept.
    pub fn new(keys: Arc<KeyStore>, rules: TokenRules) -> Self {
        Self { keys, rules, verified: Cache::new(REMEMBERED_TOKENS), now: wall_clock }
    }

    /// The keys in force.
    pub fn keys(&self) -> &Arc<KeyStore> {
        &self.keys
    }

    /// This node serves this element: from now on the operator's tokens for it count. Only the first call counts.
    pub fn serves(&self, element_id: Uuid) {
        let _ = self.rules.element_id.set(element_id.to_string());
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// 401, with the reason: see [`TokenError`].
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, TokenError> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let first = given.next().ok_or(TokenError::missing())?;
        if given.next().is_some() {
            return Err(TokenError::invalid("there are two Authorization headers: send one"));
        }
        let not_bearer = TokenError::invalid("the Authorization header is not `Bearer TOKEN`");
        let text = first.to_str().map_err(|_| not_bearer.clone())?;
        match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.check(token.trim_matches(' ')),
            _ => Err(not_bearer),
        }
    }

    /// Who bears this token.
    fn check(&self, token: &str) -> Result<Caller, TokenError> {
        let name = fingerprint(token);
        let now = (self.now)();
        if let Some(known) = self.verified.get(&name)
            && known.generation == self.keys.generation()
        {
            return match known.validity.check(now, self.rules.leeway) {
                Ok(()) => Ok(known.caller.clone()),
                Err(error) => {
                    self.verified.invalidate(&name);
                    Err(error)
                }
            };
        }
        let (caller, validity, generation) = self.verify(token, now)?;
        self.verified.insert(name, Arc::new(Verified { caller: caller.clone(), validity, generation }));
        Ok(caller)
    }

    fn verify(&self, token: &str, now: f64) -> Result<(Caller, Validity, u64), TokenError> {
        let jws = Jws::parse(token)?;
        // Not believed yet: it only says which keys to try, and each kind of key is bound to its own rules below.
        let by_operator = jws.claims.iss.as_deref() == Some(OPERATOR_ISSUER);
        let mut set = self.keys.current();
        let unknown = jws.kid.as_ref().is_some_and(|kid| !keys_of(&set, by_operator).contains_key(kid));
        if unknown && self.keys.reload_for_unknown_kid() {
            set = self.keys.current();
        }
        check_signature(&jws, keys_of(&set, by_operator))?;
        let (caller, validity) = judge(&jws.claims, by_operator, &self.rules, now)?;
        Ok((caller, validity, set.generation))
    }
}

fn keys_of(set: &KeySet, by_operator: bool) -> &Keys {
    if by_operator { &set.operator } else { &set.issuer }
}

fn check_signature(jws: &Jws<'_>, keys: &Keys) -> Result<(), TokenError> {
    let key = match &jws.kid {
        Some(kid) => keys.get(kid).ok_or(TokenError::invalid("the token is signed with a key this node does not know")),
        None if keys.len() > 1 => Err(TokenError::invalid("the token lacks kid, and this node has several keys")),
        None => keys.values().next().ok_or(TokenError::invalid("this node has no key for such tokens")),
    }?;
    match jsonwebtoken::crypto::verify(jws.signature, jws.signed, &key.decoding, Algorithm::RS256) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(TokenError::invalid("the token's signature is wrong")),
    }
}

fn fingerprint(token: &str) -> [u8; 32] {
    let mut name = [0; 32];
    name.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    name
}

#[cfg(test)]
mod tests;
