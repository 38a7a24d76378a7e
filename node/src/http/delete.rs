//! `DELETE /files/{id}`.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::caller::AsOperator;
use super::conditions::{self, Validators, Verdict};
use super::error::ApiResult;
use super::forward::AtMasterByHead;
use super::metadata::etag;
use super::path::file_id;
use super::state::AppState;
use crate::files::{FileError, FileResult};
use crate::model::Attr;

/// Delete a file, finally. Refused while retention or a legal hold stands, and in every mode but `edit`.
#[utoipa::path(
    delete, path = "/api/v1/files/{id}", tag = "files", operation_id = "deleteFile",
    params(super::schema::FileIdParam, super::schema::WriteConditions),
    responses((status = 204, description = "Deleted")),
)]
pub async fn delete(
    State(app): State<AppState>,
    AsOperator(caller): AsOperator,
    AtMasterByHead(request): AtMasterByHead,
) -> ApiResult<Response> {
    let id = file_id(request.uri())?;
    let (method, headers) = (request.method(), request.headers());
    let check = |attr: &Attr| precheck(method, headers, attr);
    app.services()?.files.delete(&caller, id, &check).await?;
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The request's preconditions against the metadata as it is now, judged under the file's lock.
pub fn precheck(method: &http::Method, headers: &http::HeaderMap, attr: &Attr) -> FileResult<()> {
    let etag = etag(attr);
    match conditions::evaluate(method, headers, Validators { etag: &etag, last_modified: attr.updated_at }) {
        Verdict::Proceed => Ok(()),
        Verdict::NotModified | Verdict::Failed => Err(FileError::PreconditionFailed(attr.file_id)),
    }
}
