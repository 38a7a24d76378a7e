//! The parameters of lists and searches, read from a query string and checked.
//!
//! Source of the rules: the product specification, `15-api`, List and search parameters.

mod cursor;
mod pairs;
mod values;

use self::values::Bounds;

use cursor::decode as decode_cursor;
pub use cursor::next as next_cursor;
pub use pairs::pairs;
pub use values::limit;

use super::error::{ApiError, ApiResult};
use crate::model::{FileQuery, FileStatus, Filter, MetadataFilter, Order, PageRequest, Sort, parse_text_query};

/// Rows on a page when `limit` is not given.
pub const DEFAULT_LIMIT: u32 = 100;
/// The most rows on a page.
pub const LIMIT_MAX: u32 = 1000;
/// The most values of `tags`, and the most `metadata.…` conditions.
const CONDITIONS_LIMIT: usize = 50;

/// Whether the query asks for deleted files, which is for operators: judged before anything else in it.
pub fn wants_deleted(query: Option<&str>) -> bool {
    pairs(query).flatten().any(|(key, value)| key == "status" && value == "deleted")
}

/// Reads the query of a list (`search` false) or a search (`search` true: `q` is needed, `relevance` is a sort).
///
/// # Errors
/// `VALIDATION_ERROR` naming the parameter: unknown, given twice, not readable, or contradicting another.
pub fn parse(query: Option<&str>, search: bool) -> ApiResult<FileQuery> {
    let mut read = Read::default();
    for pair in pairs(query) {
        let (key, value) = pair?;
        if key != "tags" && !read.seen.iter().all(|seen| seen != &key) {
            return Err(ApiError::invalid(key.clone(), format!("the parameter {key} is given twice")));
        }
        read.take(&key, &value, search)?;
        read.seen.push(key);
    }
    read.finish(search)
}

#[derive(Default)]
struct Read {
    seen: Vec<String>,
    filter: Filter,
    text: Option<String>,
    sort: Option<Sort>,
    order: Option<Order>,
    limit: Option<u32>,
    cursor: Option<String>,
    offset: Option<u64>,
}

impl Read {
    fn take(&mut self, key: &str, value: &str, search: bool) -> ApiResult<()> {
        let filter = &mut self.filter;
        if value.contains('\0') {
            return Err(ApiError::invalid(key, format!("the parameter {key} contains U+0000")));
        }
        match key {
            "q" if search => self.text = Some(value.to_owned()),
            "tags" => {
                if filter.tags.len() == CONDITIONS_LIMIT {
                    return Err(ApiError::invalid(key, format!("at most {CONDITIONS_LIMIT} tags can be asked for")));
                }
                filter.tags.push(values::some_text(key, value)?);
            }
            "created_by" => filter.created_by = Some(values::some_text(key, value)?),
            "filename" => filter.filename = Some(values::some_text(key, value)?),
            "extension" => filter.extension = Some(values::extension(value)?),
            "content_type" => filter.content_type = Some(values::media_range(value)?),
            "size_min" => filter.size_min = Some(values::bytes(key, value)?),
            "size_max" => filter.size_max = Some(values::bytes(key, value)?),
            "created_from" => filter.created_from = Some(values::moment(key, value, Bounds::First)?),
            "created_to" => filter.created_to = Some(values::moment(key, value, Bounds::Last)?),
            "updated_from" => filter.updated_from = Some(values::moment(key, value, Bounds::First)?),
            "updated_to" => filter.updated_to = Some(values::moment(key, value, Bounds::Last)?),
            "status" => filter.status = Some(values::status(value)?),
            "sort" => self.sort = Some(values::sort(value, search)?),
            "order" => self.order = Some(values::order(value)?),
            "limit" => self.limit = Some(values::limit(value)?),
            "cursor" => self.cursor = Some(value.to_owned()),
            "offset" => self.offset = Some(values::offset(value)?),
            _ => match key.strip_prefix("metadata.") {
                Some(path) => self.metadata(key, path, value)?,
                None => return Err(ApiError::invalid(key, format!("there is no parameter {key} here"))),
            },
        }
        Ok(())
    }

    fn metadata(&mut self, key: &str, path: &str, value: &str) -> ApiResult<()> {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return Err(ApiError::invalid(key, "write metadata.KEY=VALUE, or metadata.KEY.INNER=VALUE"));
        }
        if self.filter.metadata.len() == CONDITIONS_LIMIT {
            return Err(ApiError::invalid(key, format!("at most {CONDITIONS_LIMIT} metadata conditions can be given")));
        }
        self.filter.metadata.push(MetadataFilter { path, value: value.to_owned() });
        Ok(())
    }

    fn finish(mut self, search: bool) -> ApiResult<FileQuery> {
        let filter = &self.filter;
        values::in_order("size_max", filter.size_min, filter.size_max)?;
        values::in_order("created_to", filter.created_from, filter.created_to)?;
        values::in_order("updated_to", filter.updated_from, filter.updated_to)?;
        let text = match self.text.take() {
            Some(text) => Some(parse_text_query(&text).ok_or_else(no_words)?),
            None if search => return Err(no_words()),
            None => None,
        };
        let sort = self.sort.unwrap_or(if search { Sort::Relevance } else { Sort::CreatedAt });
        let order = self.order.unwrap_or(Order::Desc);
        let page = match (self.cursor, self.offset) {
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid("offset", "give cursor or offset, not both"));
            }
            (Some(cursor), None) => PageRequest::After(decode_cursor(&cursor, sort, order)?),
            (None, Some(offset)) => PageRequest::Offset(offset),
            (None, None) => PageRequest::First,
        };
        self.filter.status.get_or_insert(FileStatus::Active);
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        Ok(FileQuery { filter: self.filter, text, sort, order, page, limit })
    }
}

fn no_words() -> ApiError {
    ApiError::invalid("q", "q has no word to search for")
}

#[cfg(test)]
mod tests;
