//! Who calls: 401 and 403, before anything else of the request is looked at.

use axum::extract::FromRequestParts;
use http::request::Parts;
use tracing::Span;

use super::audit::Trail;
use super::error::{ApiError, ApiResult, Code};
use super::state::AppState;
use crate::security::{Caller, Role};
use crate::telemetry::record_user;

/// A caller with the role `user` or a higher one.
pub struct AsUser(pub Caller);
/// A caller with the role `operator` or `admin`.
pub struct AsOperator(pub Caller);
/// A caller with the role `admin`.
pub struct AsAdmin(pub Caller);

fn require(app: &AppState, parts: &Parts, role: Role) -> ApiResult<Caller> {
    let caller = app.front().authenticator.authenticate(&parts.headers)?;
    record_user(&Span::current(), &caller.id);
    Trail::note_caller(&parts.extensions, &caller);
    if caller.has(role) {
        return Ok(caller);
    }
    let has = caller.role.map_or("no role this element knows", Role::as_str);
    Err(ApiError::new(Code::Forbidden, format!("this needs the role {}; the token has {has}", role.as_str()))
        .detail("required_role", role.as_str()))
}

macro_rules! extractor {
    ($name:ident, $role:expr, $make:expr) => {
        impl FromRequestParts<AppState> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
                require(app, parts, $role).map($make)
            }
        }
    };
}

extractor!(AsUser, Role::User, AsUser);
extractor!(AsOperator, Role::Operator, AsOperator);
extractor!(AsAdmin, Role::Admin, AsAdmin);
