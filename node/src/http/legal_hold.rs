//! `PUT` and `DELETE /files/{id}/legal-hold`.
//!
//! Source of the rules: the product specification, `15-api`, Legal hold.

use axum::extract::{Request, State};
use axum::response::Response;

use super::audit::Trail;
use super::caller::AsOperator;
use super::delete::precheck;
use super::error::ApiResult;
use super::forward::AtMaster;
use super::metadata;
use super::object::{Members, REASON_LIMIT};
use super::path::file_id;
use super::state::AppState;
use crate::model::Attr;
use crate::security::Caller;

/// Put a file under legal hold: it cannot be deleted and does not expire until the hold is lifted.
#[utoipa::path(
    put, path = "/api/v1/files/{id}/legal-hold", tag = "files", operation_id = "setLegalHold",
    params(super::schema::FileIdParam, super::schema::WriteConditions),
    request_body(content = Option<super::schema::HoldReason>),
    responses((
        status = 200, description = "The metadata as it is now", body = metadata::FileMetadata,
        headers(("ETag" = String), ("Last-Modified" = String))
    )),
)]
pub async fn set(
    State(app): State<AppState>,
    AsOperator(caller): AsOperator,
    AtMaster(request): AtMaster,
) -> ApiResult<Response> {
    change(&app, &caller, request, true).await
}

/// Lift a file's legal hold.
#[utoipa::path(
    delete, path = "/api/v1/files/{id}/legal-hold", tag = "files", operation_id = "liftLegalHold",
    params(super::schema::FileIdParam, super::schema::WriteConditions),
    request_body(content = Option<super::schema::HoldReason>),
    responses((
        status = 200, description = "The metadata as it is now", body = metadata::FileMetadata,
        headers(("ETag" = String), ("Last-Modified" = String))
    )),
)]
pub async fn lift(
    State(app): State<AppState>,
    AsOperator(caller): AsOperator,
    AtMaster(request): AtMaster,
) -> ApiResult<Response> {
    change(&app, &caller, request, false).await
}

async fn change(app: &AppState, caller: &Caller, request: Request, legal_hold: bool) -> ApiResult<Response> {
    let limits = &app.front().limits;
    Members::expect(&request, limits)?;
    let (parts, body) = request.into_parts();
    let id = file_id(&parts.uri)?;
    let mut members = Members::read(body, limits).await?;
    let reason = members.text("reason", REASON_LIMIT)?;
    members.end("reason")?;
    if let Some(reason) = &reason {
        Trail::note_details(&parts.extensions, reason.clone());
    }
    let check = |attr: &Attr| precheck(&parts.method, &parts.headers, attr);
    let row = app.services()?.files.set_legal_hold(caller, id, legal_hold, reason, &check).await?;
    metadata::answer(&row)
}
