//! `GET` and `HEAD /files/{id}/download`.

mod multipart;
mod stream;

use std::ops::Range;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderName, IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::caller::AsUser;
use super::conditions::{self, Validators, Verdict};
use super::disposition::attachment;
use super::error::{ApiError, ApiResult, Code};
use super::etag::EntityTag;
use super::metadata::{not_modified, validators};
use super::path::file_id;
use super::ranges::{Selection, select};
use super::state::AppState;
use crate::model::FileRow;

/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Download a file's bytes.
#[utoipa::path(
    get, path = "/api/v1/files/{id}/download", tag = "files", operation_id = "downloadFile",
    params(super::schema::FileIdParam, super::schema::ReadConditions, super::schema::RangeHeaders),
    responses(
        (status = 200, description = "The bytes", content_type = "*/*", body = super::schema::FileBytes,
         headers(("ETag" = String, description = "The SHA-256 in hex, quoted"), ("Last-Modified" = String),
            ("Accept-Ranges" = String), ("Content-Disposition" = String), ("Repr-Digest" = String))),
        (status = 206, description = "The bytes of the ranges asked for", content_type = "*/*",
         body = super::schema::FileBytes,
         headers(("Content-Range" = String, description = "With one range; several come as multipart/byteranges"))),
        (status = 304, description = "Not modified since the client's copy"),
    ),
)]
pub async fn download(State(app): State<AppState>, _caller: AsUser, request: Request) -> ApiResult<Response> {
    let id = file_id(request.uri())?;
    let files = &app.services()?.files;
    let row = files.for_download(id).await?;
    let (method, headers) = (request.method(), request.headers());
    let attr = &row.attr;
    let current = Validators { etag: &attr.checksum, last_modified: attr.created_at };
    match conditions::evaluate(method, headers, current) {
        Verdict::Proceed => {}
        Verdict::NotModified => return Ok(not_modified(&attr.checksum, attr.created_at)),
        Verdict::Failed => {
            return Err(ApiError::new(Code::PreconditionFailed, format!("file {id} is not in the state asked for")));
        }
    }
    let size = attr.file_size;
    // Ranges are defined for GET only (RFC 9110 §14.2).
    let selection = match headers.get(RANGE) {
        Some(range) if method == Method::GET && is_alone(headers) && if_range_holds(headers, current) => {
            select(range.as_bytes(), size)
        }
        _ => Selection::Whole,
    };
    let meter = app.front().metrics.clone();
    let mut response = match selection {
        Selection::Unsatisfiable => return Err(unsatisfiable(size)),
        Selection::Whole if method == Method::HEAD => sized(StatusCode::OK, size, Body::empty()),
        Selection::Whole => sized(StatusCode::OK, size, stream::open(files, &row, 0..size, meter).await?),
        Selection::Single(range) => {
            let content_range = content_range(&range, size);
            let body = stream::open(files, &row, range.clone(), meter).await?;
            let mut response = sized(StatusCode::PARTIAL_CONTENT, range.end - range.start, body);
            response.headers_mut().insert(CONTENT_RANGE, content_range);
            response
        }
        Selection::Several(parts) => {
            let parts = multipart::Parts::new(parts, size, &attr.content_type);
            let content_type = parts.content_type();
            let length = parts.length();
            let mut response = sized(StatusCode::PARTIAL_CONTENT, length, parts.open(files, &row, meter).await?);
            describe(&mut response, &row);
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            return Ok(response);
        }
    };
    describe(&mut response, &row);
    Ok(response)
}

fn sized(status: StatusCode, length: u64, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// The headers of every answer with bytes: what they are, and that a browser must save them, never run them.
fn describe(response: &mut Response, row: &FileRow) {
    let attr = &row.attr;
    validators(response, &attr.checksum, attr.created_at);
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_str(&attr.content_type).unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    headers.insert(CONTENT_DISPOSITION, attachment(&attr.original_filename));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    if let Some(digest) = repr_digest(&attr.checksum) {
        headers.insert(REPR_DIGEST, digest);
    }
}

/// `sha-256=:…:`, of the whole file also where only a part is sent (RFC 9530 §3).
fn repr_digest(checksum: &str) -> Option<HeaderValue> {
    let bytes = hex::decode(checksum).ok()?;
    HeaderValue::try_from(format!("sha-256=:{}:", STANDARD.encode(bytes))).ok()
}

fn content_range(range: &Range<u64>, size: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1)))
        .unwrap_or(HeaderValue::from_static("bytes */*"))
}

fn unsatisfiable(size: u64) -> ApiError {
    let error = ApiError::new(Code::InvalidRange, format!("no range asked for lies within the file's {size} bytes"))
        .detail("file_size", size);
    match HeaderValue::try_from(format!("bytes */{size}")) {
        Ok(value) => error.header(CONTENT_RANGE, value),
        Err(_) => error,
    }
}

/// Whether the request has one `Range` header: two contradict each other, so neither counts.
fn is_alone(headers: &HeaderMap) -> bool {
    headers.get_all(RANGE).iter().nth(1).is_none()
}

/// `If-Range` (RFC 9110 §13.1.5): a strong entity tag, or exactly the date of `Last-Modified`; without it, ranges count.
fn if_range_holds(headers: &HeaderMap, current: Validators<'_>) -> bool {
    let Some(value) = headers.get(IF_RANGE) else { return true };
    match EntityTag::parse(value.as_bytes().trim_ascii()) {
        Some(tag) => tag.matches_strongly(current.etag),
        None => conditions::date(headers, &IF_RANGE) == Some(conditions::seconds(current.last_modified)),
    }
}

#[cfg(test)]
mod tests {
    use http::header::IF_RANGE;
    use http::{HeaderMap, HeaderValue};

    use super::{Validators, if_range_holds, repr_digest, unsatisfiable};
    use crate::model::Timestamp;

    #[test]
    fn if_range_needs_the_same_strong_tag_or_the_same_date() {
        let last_modified = Timestamp::parse("2026-11-25T09:30:00.5Z").unwrap();
        let holds = |value: &'static str| {
            let headers = HeaderMap::from_iter([(IF_RANGE, HeaderValue::from_static(value))]);
            if_range_holds(&headers, Validators { etag: "abc", last_modified })
        };
        assert!(if_range_holds(&HeaderMap::new(), Validators { etag: "abc", last_modified }));
        assert!(holds("\"abc\""));
        assert!(holds("Wed, 25 Nov 2026 09:30:00 GMT"));
        for other in
            ["W/\"abc\"", "\"abd\"", "abc", "", "Wed, 25 Nov 2026 09:30:01 GMT", "Wed, 25 Nov 2026 09:29:59 GMT"]
        {
            assert!(!holds(other), "{other}");
        }
    }

    #[test]
    fn the_digest_is_base64_between_colons() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(repr_digest(empty).unwrap(), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    }

    #[test]
    fn a_416_says_how_large_the_file_is() {
        let error = unsatisfiable(7);
        assert_eq!(error.headers()[0].1, "bytes */7");
    }
}
