//! Parameters of requests.

use utoipa::IntoParams;
use uuid::Uuid;

/// The file.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct FileIdParam {
    /// The file's id.
    id: Uuid,
}

/// The job.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct JobIdParam {
    /// The job's id.
    id: Uuid,
}

/// The transaction.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct TransactionParam {
    /// The transaction's id.
    tx: Uuid,
}

/// Preconditions of a read (RFC 9110 §13).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct ReadConditions {
    /// 412 unless one of these entity tags is the current one.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// 304 if one of these entity tags is the current one.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// 304 unless changed since this HTTP date.
    #[param(rename = "If-Modified-Since")]
    if_modified_since: Option<String>,
    /// 412 if changed since this HTTP date.
    #[param(rename = "If-Unmodified-Since")]
    if_unmodified_since: Option<String>,
}

/// Preconditions of a write (RFC 9110 §13).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct WriteConditions {
    /// 412 unless one of these entity tags is the current one.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// 412 if one of these entity tags is the current one.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// 412 if changed since this HTTP date.
    #[param(rename = "If-Unmodified-Since")]
    if_unmodified_since: Option<String>,
}

/// Ranges (RFC 9110 §14).
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct RangeHeaders {
    /// Which bytes: `bytes=0-499`, `bytes=500-`, `bytes=-500`, or several.
    #[param(rename = "Range", example = "bytes=0-499")]
    range: Option<String>,
    /// Ranges count only if this strong entity tag or HTTP date is the current one.
    #[param(rename = "If-Range")]
    if_range: Option<String>,
}

/// Headers of an upload.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct UploadHeaders {
    /// Makes the upload repeatable: with the same key of the same caller, the answer is the first file.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._:-]+$")]
    idempotency_key: Option<String>,
}

/// What to search for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchText {
    /// Words that must all match, in any form; `"a phrase"`; `word*` as prefix.
    #[param(min_length = 1, example = "contract")]
    q: String,
}

/// Filters, order and page of a list or search. `metadata.KEY=VALUE` and `metadata.KEY.INNER=VALUE` can be given too.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Every one of these tags.
    #[param(style = Form, explode, max_items = 50)]
    tags: Option<Vec<String>>,
    /// `sub` or user name of who sent it.
    created_by: Option<String>,
    /// A part of the name, in any case.
    filename: Option<String>,
    /// The extension without its dot, in any case.
    #[param(example = "pdf")]
    extension: Option<String>,
    /// A media type, or `image/*`.
    #[param(example = "image/*")]
    content_type: Option<String>,
    /// Bytes, at least.
    #[param(minimum = 0)]
    size_min: Option<i64>,
    /// Bytes, at most.
    #[param(minimum = 0)]
    size_max: Option<i64>,
    /// RFC 3339, or a date: from the beginning of that day in UTC.
    #[param(example = "2026-11-25")]
    created_from: Option<String>,
    /// RFC 3339, or a date: to the end of that day in UTC.
    #[param(example = "2026-11-25T23:59:59Z")]
    created_to: Option<String>,
    /// As `created_from`, of the last change.
    updated_from: Option<String>,
    /// As `created_to`, of the last change.
    updated_to: Option<String>,
    /// `active`, or `deleted` for operators and admins.
    #[param(pattern = "^(active|deleted)$")]
    status: Option<String>,
    /// What to sort by; `relevance` only in a search.
    #[param(pattern = "^(created_at|updated_at|original_filename|file_size|relevance)$")]
    sort: Option<String>,
    /// Which way.
    #[param(pattern = "^(asc|desc)$")]
    order: Option<String>,
    /// Files on a page; 100 if not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before. Not together with `offset`.
    cursor: Option<String>,
    /// Files to leave out; the answer then has `total`.
    #[param(minimum = 0)]
    offset: Option<i64>,
}

/// Which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Items on a page; 100 if not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// How many.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LimitParam {
    /// Items in the answer; 100 if not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}
