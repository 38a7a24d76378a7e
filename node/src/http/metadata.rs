//! A file's metadata as the API shows it, and the routes that read it.

use axum::extract::{Request, State};
use axum::response::Response;
use http::HeaderValue;
use http::header::{ETAG, LAST_MODIFIED};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::caller::AsUser;
use super::conditions::{self, Validators, Verdict};
use super::error::{ApiError, ApiResult, Code};
use super::path::file_id;
use super::reply;
use super::state::AppState;
use crate::model::{Attr, FileRow, Timestamp};

/// What is known of a file: all of its attr but what only the node needs. Absent values are `null`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileMetadata)]
pub struct FileMetadata<'a> {
    /// The file's id, a `UUIDv7` whose time is `created_at`.
    file_id: Uuid,
    /// The name the client gave, without any path.
    #[schema(max_length = 255, example = "contract 17.pdf")]
    original_filename: &'a str,
    /// The name of the data file.
    storage_filename: &'a str,
    /// Where the data file is, relative to the volume or prefix.
    storage_path: &'a str,
    /// Bytes.
    #[schema(minimum = 0)]
    file_size: u64,
    /// Media type.
    #[schema(example = "application/pdf")]
    content_type: &'a str,
    /// SHA-256 of the data.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    checksum: &'a str,
    /// When the file came.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When this revision was made.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// Who sent it: `sub` of the token.
    created_by_id: &'a str,
    /// Who sent it, by name.
    created_by_username: &'a str,
    /// Who sent it, in full.
    #[schema(required)]
    created_by_fullname: Option<&'a str>,
    /// What it is, in words.
    #[schema(required)]
    description: Option<&'a str>,
    /// The sender's own version.
    #[schema(required)]
    version: Option<&'a str>,
    /// Words to find it by.
    tags: &'a [String],
    /// Anything the sender keeps about it.
    #[schema(value_type = Object, additional_properties = true)]
    metadata: &'a Map<String, Value>,
    /// 1 at first, one more with every change.
    #[schema(minimum = 1)]
    revision: u64,
    /// `active` or `deleted`.
    #[schema(value_type = super::schema::FileStatusName)]
    status: &'static str,
    /// When it was deleted.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    deleted_at: Option<Timestamp>,
    /// Until when it cannot be deleted: the later of its own date and the element's minimum.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    retention_until: Option<Timestamp>,
    /// A hold above every date.
    legal_hold: bool,
}

impl<'a> From<&'a FileRow> for FileMetadata<'a> {
    fn from(row: &'a FileRow) -> Self {
        let attr = &row.attr;
        Self {
            file_id: attr.file_id,
            original_filename: &attr.original_filename,
            storage_filename: &attr.storage_filename,
            storage_path: attr.storage_path.as_str(),
            file_size: attr.file_size,
            content_type: &attr.content_type,
            checksum: &attr.checksum,
            created_at: attr.created_at,
            updated_at: attr.updated_at,
            created_by_id: &attr.created_by_id,
            created_by_username: &attr.created_by_username,
            created_by_fullname: attr.created_by_fullname.as_deref(),
            description: attr.description.as_deref(),
            version: attr.version.as_deref(),
            tags: &attr.tags,
            metadata: &attr.metadata,
            revision: attr.revision,
            status: attr.status.as_str(),
            deleted_at: attr.deleted_at,
            retention_until: attr.retention_until,
            legal_hold: attr.legal_hold,
        }
    }
}

/// The entity tag of a file's metadata, without its quotes: `{file_id}-{revision}`.
pub fn etag(attr: &Attr) -> String {
    format!("{}-{}", attr.file_id.as_hyphenated(), attr.revision)
}

/// The metadata as an answer, with its validators.
pub fn answer(row: &FileRow) -> ApiResult<Response> {
    let mut response = reply::json(&FileMetadata::from(row))?;
    validators(&mut response, &etag(&row.attr), row.attr.updated_at);
    Ok(response)
}

/// Sets `ETag` and `Last-Modified`.
pub fn validators(response: &mut Response, etag: &str, last_modified: Timestamp) {
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{etag}\"")) {
        headers.insert(ETAG, etag);
    }
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(last_modified.calendar().into())) {
        headers.insert(LAST_MODIFIED, date);
    }
}

/// Read a file's metadata.
#[utoipa::path(
    get, path = "/api/v1/files/{id}", tag = "files", operation_id = "getFile",
    params(super::schema::FileIdParam, super::schema::ReadConditions),
    responses(
        (status = 200, description = "The metadata", body = FileMetadata,
         headers(("ETag" = String, description = "`\"{file_id}-{revision}\"`"), ("Last-Modified" = String))),
        (status = 304, description = "Not modified since the client's copy"),
    ),
)]
pub async fn get(State(app): State<AppState>, _caller: AsUser, request: Request) -> ApiResult<Response> {
    let id = file_id(request.uri())?;
    let row = app.services()?.files.metadata(id).await?;
    let etag = etag(&row.attr);
    let current = Validators { etag: &etag, last_modified: row.attr.updated_at };
    match conditions::evaluate(request.method(), request.headers(), current) {
        Verdict::Proceed => answer(&row),
        Verdict::NotModified => Ok(not_modified(&etag, row.attr.updated_at)),
        Verdict::Failed => {
            Err(ApiError::new(Code::PreconditionFailed, format!("file {id} is not in the state asked for")))
        }
    }
}

/// 304 with the validators a 200 would have had (RFC 9110 §15.4.5).
pub fn not_modified(etag: &str, last_modified: Timestamp) -> Response {
    let mut response = Response::new(axum::body::Body::empty());
    *response.status_mut() = http::StatusCode::NOT_MODIFIED;
    validators(&mut response, etag, last_modified);
    response
}
