//! Why a request is not let in (401).

use serde::Serialize;

/// What `details.reason` of the error envelope says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TokenReason {
    /// There is no token.
    MissingToken,
    /// The token is not accepted.
    InvalidToken,
    /// The token was good once.
    TokenExpired,
}

impl TokenReason {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingToken => "MISSING_TOKEN",
            Self::InvalidToken => "INVALID_TOKEN",
            Self::TokenExpired => "TOKEN_EXPIRED",
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750 §3; the product specification, `15-api`, Tokens).
    pub const fn challenge(self) -> &'static str {
        match self {
            Self::MissingToken => r#"Bearer realm="storage-element""#,
            Self::InvalidToken | Self::TokenExpired => r#"Bearer realm="storage-element", error="invalid_token""#,
        }
    }
}

/// Why a request is not let in (401). The message names what is wrong and never repeats a part of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TokenError {
    /// What kind of refusal.
    pub reason: TokenReason,
    /// What is wrong and what would be right.
    pub message: &'static str,
}

impl TokenError {
    pub(super) const fn invalid(message: &'static str) -> Self {
        Self { reason: TokenReason::InvalidToken, message }
    }

    pub(super) const fn expired() -> Self {
        Self { reason: TokenReason::TokenExpired, message: "the token has expired: get a new one" }
    }

    pub(super) const fn missing() -> Self {
        Self {
            reason: TokenReason::MissingToken,
            message: "this needs a token: send the header `Authorization: Bearer TOKEN`",
        }
    }
}
