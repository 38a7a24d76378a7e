//! Cursors of keyset pagination: opaque to clients, base64url of JSON.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::http::error::{ApiError, ApiResult};
use crate::model::{CursorKey, FileRow, Order, Sort, SortValue};

/// The longest cursor, in characters: a name of 255 characters of four bytes, JSON and base64 around it, and room.
const LENGTH_LIMIT: usize = 4096;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    sort: Sort,
    order: Order,
    key: CursorKey,
}

/// The cursor for the page after `key`.
pub fn encode(sort: Sort, order: Order, key: CursorKey) -> Option<String> {
    serde_json::to_vec(&Cursor { sort, order, key }).ok().map(|json| URL_SAFE_NO_PAD.encode(json))
}

/// The cursor for the page after `row`; none by relevance, which is paged by offset.
pub fn next(row: &FileRow, sort: Sort, order: Order) -> Option<String> {
    let attr = &row.attr;
    let value = match sort {
        Sort::CreatedAt => SortValue::Number(attr.created_at.micros()),
        Sort::UpdatedAt => SortValue::Number(attr.updated_at.micros()),
        Sort::FileSize => SortValue::Number(i64::try_from(attr.file_size).unwrap_or(i64::MAX)),
        Sort::OriginalFilename => SortValue::Text(attr.original_filename.clone()),
        Sort::Relevance => return None,
    };
    encode(sort, order, CursorKey { value, id: attr.file_id })
}

/// Reads a cursor that has to belong to this sort and order.
pub fn decode(text: &str, sort: Sort, order: Order) -> ApiResult<CursorKey> {
    if sort == Sort::Relevance {
        return Err(ApiError::invalid("cursor", "a search by relevance is paged with offset, not with a cursor"));
    }
    let cursor: Cursor = (text.len() <= LENGTH_LIMIT)
        .then(|| URL_SAFE_NO_PAD.decode(text).ok())
        .flatten()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(|| ApiError::invalid("cursor", "this is no cursor: take next_cursor of the page before"))?;
    if cursor.sort != sort || cursor.order != order {
        return Err(ApiError::invalid(
            "cursor",
            "this cursor belongs to another sort or order: begin without a cursor",
        ));
    }
    let fits = match (&cursor.key.value, sort) {
        (SortValue::Text(text), Sort::OriginalFilename) => !text.contains('\0'),
        (SortValue::Number(_), Sort::OriginalFilename) | (SortValue::Text(_), _) => false,
        (SortValue::Number(_), _) => true,
    };
    if !fits {
        return Err(ApiError::invalid("cursor", "this is no cursor: take next_cursor of the page before"));
    }
    Ok(cursor.key)
}
