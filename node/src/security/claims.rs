//! What the claims of a verified token must say, and who it makes its bearer.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::caller::{Caller, Role};
use super::jws::Claims;
use super::token_error::TokenError;

/// The issuer whose tokens are checked with the operator's keys only.
pub const OPERATOR_ISSUER: &str = "storage-operator";

/// What the `sub` of the project's own programs begins with; only the operator's keys may sign it.
pub const SYSTEM_PREFIX: &str = "system:";

/// The longest life of an operator's token, in seconds.
const OPERATOR_LIFE_SECONDS: f64 = 60.0;

/// The longest name in a token, in characters.
const NAME_LIMIT: usize = 256;

/// 9999-12-31 in seconds since 1970: times beyond it are no times.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// What tokens are checked against beside their signature.
#[derive(Clone, Debug, Default)]
pub struct TokenRules {
    /// What `iss` must be, if anything.
    pub issuer: Option<String>,
    /// What `aud` must contain, if anything.
    pub audience: Option<String>,
    /// How far clocks may differ.
    pub leeway: Duration,
    /// The longest `exp − iat`, if there is a limit.
    pub max_lifetime: Option<Duration>,
    /// This element: the only audience of the operator's tokens. Not known while the node starts.
    pub element_id: OnceLock<String>,
}

/// When a token counts, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    expires: f64,
    issued: f64,
    not_before: Option<f64>,
}

impl Validity {
    fn of(claims: &Claims) -> Result<Self, TokenError> {
        let (Some(expires), Some(issued)) = (claims.exp, claims.iat) else {
            return Err(TokenError::invalid("the token lacks exp or iat: both are required"));
        };
        let times = [Some(expires), Some(issued), claims.nbf];
        if times.into_iter().flatten().any(|time| !(0.0..=LAST_SECOND).contains(&time)) {
            return Err(TokenError::invalid("the token's exp, iat or nbf is not a time in seconds since 1970"));
        }
        if expires < issued {
            return Err(TokenError::invalid("the token expires before it was issued"));
        }
        Ok(Self { expires, issued, not_before: claims.nbf })
    }

    /// Whether the token counts at `now` (seconds since 1970), give or take the leeway.
    pub fn check(self, now: f64, leeway: Duration) -> Result<(), TokenError> {
        let leeway = leeway.as_secs_f64();
        if self.issued > now + leeway {
            return Err(TokenError::invalid(
                "the token was issued in the future: compare the clocks of issuer and node",
            ));
        }
        if self.not_before.is_some_and(|moment| moment > now + leeway) {
            return Err(TokenError::invalid("the token is not valid yet (nbf)"));
        }
        if now >= self.expires + leeway {
            return Err(TokenError::expired());
        }
        Ok(())
    }

    fn life(self) -> f64 {
        self.expires - self.issued
    }
}

/// Judges the claims of a token whose signature is good. `by_operator`: it was checked with the operator's keys.
pub(super) fn judge(
    claims: &Claims,
    by_operator: bool,
    rules: &TokenRules,
    now: f64,
) -> Result<(Caller, Validity), TokenError> {
    let id = claims.sub.as_deref().filter(|sub| !sub.is_empty());
    let id = id.ok_or(TokenError::invalid("the token lacks sub, which says whose it is"))?;
    match claims.token_type.as_deref() {
        Some("access") => {}
        Some(_) => {
            return Err(TokenError::invalid("the token's type is not access: a refresh token opens nothing here"));
        }
        None => return Err(TokenError::invalid("the token lacks type, which must be access")),
    }
    let validity = Validity::of(claims)?;
    validity.check(now, rules.leeway)?;
    if by_operator {
        judge_operator(claims, validity, rules)?;
    } else {
        judge_issuer(claims, id, validity, rules)?;
    }
    let first_given = |first: &Option<String>, second: &Option<String>| {
        [first, second].into_iter().flatten().find(|name| !name.is_empty()).cloned()
    };
    let caller = Caller {
        id: id.to_owned(),
        username: first_given(&claims.username, &claims.preferred_username).unwrap_or_else(|| id.to_owned()),
        full_name: first_given(&claims.full_name, &claims.name),
        role: highest_role(claims),
    };
    // Names go into attr files, file names and logs.
    let names = [Some(&caller.id), Some(&caller.username), caller.full_name.as_ref()];
    if names.into_iter().flatten().any(|name| name.chars().count() > NAME_LIMIT || name.chars().any(char::is_control)) {
        return Err(TokenError::invalid("a name in the token is longer than 256 characters or has control characters"));
    }
    Ok((caller, validity))
}

fn judge_operator(claims: &Claims, validity: Validity, rules: &TokenRules) -> Result<(), TokenError> {
    let audience = claims.aud.as_ref().map(super::jws::Audience::names).unwrap_or_default();
    // Exactly this element: a token for several could be carried from one to the other.
    match (audience, rules.element_id.get()) {
        ([only], Some(element)) if only == element => {}
        _ => return Err(TokenError::invalid("the operator's token is not for this element (aud)")),
    }
    if validity.life() > OPERATOR_LIFE_SECONDS {
        return Err(TokenError::invalid("the operator's token lives longer than 60 s"));
    }
    Ok(())
}

fn judge_issuer(claims: &Claims, id: &str, validity: Validity, rules: &TokenRules) -> Result<(), TokenError> {
    if id.starts_with(SYSTEM_PREFIX) {
        return Err(TokenError::invalid(
            "the token's sub begins with system:, which only the operator's keys may sign",
        ));
    }
    if rules.issuer.is_some() && claims.iss != rules.issuer {
        return Err(TokenError::invalid("the token is from another issuer than this node accepts (iss)"));
    }
    if let Some(audience) = &rules.audience
        && !claims.aud.as_ref().is_some_and(|aud| aud.names().contains(audience))
    {
        return Err(TokenError::invalid("the token is for another audience than this node (aud)"));
    }
    if rules.max_lifetime.is_some_and(|longest| validity.life() > longest.as_secs_f64()) {
        return Err(TokenError::invalid("the token lives longer than this node accepts (exp minus iat)"));
    }
    Ok(())
}

/// The highest known role of `role` and `roles`; what is not a name is no role.
fn highest_role(claims: &Claims) -> Option<Role> {
    let listed = claims.roles.as_ref().and_then(Value::as_array).into_iter().flatten();
    listed.chain(&claims.role).filter_map(|name| Role::parse(name.as_str()?)).max()
}
