//! Single values of query parameters.

use crate::http::error::{ApiError, ApiResult};
use crate::http::query::LIMIT_MAX;
use crate::model::{FileStatus, Order, Sort, Timestamp};

/// Which end of a whole day a date stands for.
#[derive(Clone, Copy, Debug)]
pub enum Bounds {
    /// Its first moment.
    First,
    /// Its last moment.
    Last,
}

/// A text that is not empty.
pub fn some_text(key: &str, value: &str) -> ApiResult<String> {
    if value.is_empty() {
        return Err(ApiError::invalid(key, format!("the parameter {key} is empty")));
    }
    Ok(value.to_owned())
}

/// An extension without its dot.
pub fn extension(value: &str) -> ApiResult<String> {
    if value.is_empty() || value.starts_with('.') {
        return Err(ApiError::invalid("extension", "give the extension without its dot, such as pdf"));
    }
    Ok(value.to_owned())
}

/// A media type, or `type/*`.
pub fn media_range(value: &str) -> ApiResult<String> {
    let token = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"/;,\"".contains(&b));
    match value.split_once('/') {
        Some((kind, rest)) if token(kind) && kind != "*" && !rest.is_empty() && !rest.contains('/') => {
            Ok(value.to_owned())
        }
        _ => Err(ApiError::invalid("content_type", "give a media type such as application/pdf, or image/*")),
    }
}

/// A number of bytes.
pub fn bytes(key: &str, value: &str) -> ApiResult<u64> {
    digits(value)
        .filter(|&bytes| i64::try_from(bytes).is_ok())
        .ok_or_else(|| ApiError::invalid(key, format!("the parameter {key} is not a number of bytes")))
}

/// RFC 3339, or a date: then the first or the last moment of that day in UTC.
pub fn moment(key: &str, value: &str, bounds: Bounds) -> ApiResult<Timestamp> {
    let is_date = value.len() == 10 && value.is_ascii();
    let moment = if is_date {
        let clock = match bounds {
            Bounds::First => "T00:00:00.000000Z",
            Bounds::Last => "T23:59:59.999999Z",
        };
        Timestamp::parse(&format!("{value}{clock}"))
    } else {
        Timestamp::parse(value)
    };
    moment.ok_or_else(|| {
        ApiError::invalid(
            key,
            format!("the parameter {key} is not a date (2026-11-25) or time (2026-11-25T09:30:00Z; write + as %2B)"),
        )
    })
}

/// A status.
pub fn status(value: &str) -> ApiResult<FileStatus> {
    match value {
        "active" => Ok(FileStatus::Active),
        "deleted" => Ok(FileStatus::Deleted),
        _ => Err(ApiError::invalid("status", "status is active or deleted")),
    }
}

/// What to sort by.
pub fn sort(value: &str, search: bool) -> ApiResult<Sort> {
    match value {
        "created_at" => Ok(Sort::CreatedAt),
        "updated_at" => Ok(Sort::UpdatedAt),
        "original_filename" => Ok(Sort::OriginalFilename),
        "file_size" => Ok(Sort::FileSize),
        "relevance" if search => Ok(Sort::Relevance),
        "relevance" => Err(ApiError::invalid("sort", "relevance is for searches: give q at /api/v1/files/search")),
        _ => Err(ApiError::invalid(
            "sort",
            "sort is created_at, updated_at, original_filename or file_size, and in a search also relevance",
        )),
    }
}

/// Which way.
pub fn order(value: &str) -> ApiResult<Order> {
    match value {
        "asc" => Ok(Order::Asc),
        "desc" => Ok(Order::Desc),
        _ => Err(ApiError::invalid("order", "order is asc or desc")),
    }
}

/// Rows on a page.
pub fn limit(value: &str) -> ApiResult<u32> {
    digits(value)
        .and_then(|limit| u32::try_from(limit).ok())
        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
        .ok_or_else(|| ApiError::invalid("limit", format!("limit is a number from 1 to {LIMIT_MAX}")))
}

/// Rows to leave out.
pub fn offset(value: &str) -> ApiResult<u64> {
    digits(value)
        .filter(|&offset| i64::try_from(offset).is_ok())
        .ok_or_else(|| ApiError::invalid("offset", "offset is a number of rows, 0 or more"))
}

/// Refuses a range whose end lies before its beginning.
pub fn in_order<T: PartialOrd>(key: &str, first: Option<T>, last: Option<T>) -> ApiResult<()> {
    match (first, last) {
        (Some(first), Some(last)) if last < first => {
            Err(ApiError::invalid(key, format!("the range ends before it begins: {key} is too small")))
        }
        _ => Ok(()),
    }
}

fn digits(value: &str) -> Option<u64> {
    (!value.is_empty() && value.bytes().all(|b| b.is_ascii_digit())).then(|| value.parse().ok()).flatten()
}
