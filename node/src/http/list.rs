//! `GET /files` and `GET /files/search`.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::AsUser;
use super::error::{ApiError, ApiResult, Code};
use super::metadata::FileMetadata;
use super::query::{self, next_cursor};
use super::reply;
use super::state::AppState;
use crate::model::{FileQuery, Page, PageRequest};
use crate::security::{Caller, Role};

/// A page of files.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileList)]
pub struct FileList<'a> {
    /// The files.
    items: Vec<FileMetadata<'a>>,
    /// The most items a page has.
    #[schema(minimum = 1, maximum = 1000)]
    limit: u32,
    /// Whether more follow.
    has_more: bool,
    /// What to give as `cursor` for the next page; `null` on the last one, and by relevance.
    #[schema(required)]
    next_cursor: Option<String>,
    /// As asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    offset: Option<u64>,
    /// How many match in all; only with `offset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    total: Option<u64>,
    /// True where `total` was not counted to its end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    total_is_minimum: bool,
}

impl<'a> FileList<'a> {
    fn new(query: &FileQuery, page: &'a Page) -> Self {
        let next_cursor =
            page.has_more.then(|| page.rows.last().and_then(|row| next_cursor(row, query.sort, query.order))).flatten();
        let offset = match query.page {
            PageRequest::Offset(offset) => Some(offset),
            PageRequest::First | PageRequest::After(_) => None,
        };
        Self {
            items: page.rows.iter().map(FileMetadata::from).collect(),
            limit: query.limit,
            has_more: page.has_more,
            next_cursor,
            offset,
            total: offset.and(page.total),
            total_is_minimum: page.total_is_minimum,
        }
    }
}

/// List files: by default the active ones, newest first.
#[utoipa::path(
    get, path = "/api/v1/files", tag = "files", operation_id = "listFiles",
    params(super::schema::ListParams),
    responses((status = 200, description = "A page of files", body = FileList)),
)]
pub async fn list(State(app): State<AppState>, AsUser(caller): AsUser, request: Request) -> ApiResult<Response> {
    answer(&app, &caller, request.uri().query(), false).await
}

/// Search files by the words of their names, descriptions and tags.
///
/// All words must match, in any form (Russian and English); `"a phrase"`; `word*` as prefix.
#[utoipa::path(
    get, path = "/api/v1/files/search", tag = "files", operation_id = "searchFiles",
    params(super::schema::SearchText, super::schema::ListParams),
    responses((status = 200, description = "A page of files, by default the most relevant first", body = FileList)),
)]
pub async fn search(State(app): State<AppState>, AsUser(caller): AsUser, request: Request) -> ApiResult<Response> {
    answer(&app, &caller, request.uri().query(), true).await
}

async fn answer(app: &AppState, caller: &Caller, query: Option<&str>, search: bool) -> ApiResult<Response> {
    if query::wants_deleted(query) && !caller.has(Role::Operator) {
        return Err(ApiError::new(Code::Forbidden, "deleted files are shown to operators and admins only")
            .detail("required_role", Role::Operator.as_str()));
    }
    let query = query::parse(query, search)?;
    let page = app.services()?.files.list(&query).await?;
    reply::json(&FileList::new(&query, &page))
}
