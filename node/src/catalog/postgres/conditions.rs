//! What a file has to be like to be found.

use serde_json::Value;
use sqlx::{Postgres, QueryBuilder};

use super::matching;
use crate::catalog::exact::lower;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{
    FileQuery, FileStatus, Filter, MetadataFilter, Order, PageRequest, Sort, SortValue, TextQuery, Timestamp,
};

pub(super) const ACTION: &str = "list files";

/// A query, and what of it an index of words and parts can answer.
pub(super) struct Wanted<'q> {
    pub(super) query: &'q FileQuery,
    words: Option<String>,
    /// The part of a name, in lower case.
    part: Option<String>,
    name_parts: Option<String>,
}

impl<'q> Wanted<'q> {
    pub(super) fn new(query: &'q FileQuery) -> Self {
        let words = matching::expression(query.text.as_ref(), &query.filter);
        let part = query.filter.filename.as_deref().map(lower).filter(|part| !part.is_empty());
        let name_parts = part.as_deref().and_then(matching::name_parts);
        Self { query, words, part, name_parts }
    }

    /// Whether an index can tell which files match, be it roughly.
    pub(super) fn indexed(&self) -> bool {
        self.words.is_some() || self.name_parts.is_some() || !self.query.filter.metadata.is_empty()
    }

    /// The text that files are ranked by.
    pub(super) fn ranked_by(&self) -> Option<&'q TextQuery> {
        self.query.text.as_ref().filter(|_| self.query.sort == Sort::Relevance)
    }

    /// Files that are shown at all. Written out, not bound, so that partial indexes are used.
    pub(super) fn shown(&self, sql: &mut QueryBuilder<Postgres>) {
        let status = self.query.filter.status.unwrap_or(FileStatus::Active);
        sql.push(format_args!("f.status = '{}' AND f.blocked_by IS NULL", status.as_str()));
    }

    /// What the indexes answer exactly.
    fn words(&self, sql: &mut QueryBuilder<Postgres>) {
        if let Some(words) = &self.words {
            sql.push(" AND f.words @@ ").push_bind(words.clone()).push("::text::tsquery");
        }
        for one in &self.query.filter.metadata {
            metadata(sql, one);
        }
    }

    /// All that the indexes answer. The planner knows how often only the most common words come: of any other it
    /// guesses, and walks a million files for the one. So it is not asked: nothing is moved into a subquery with an
    /// offset, and all that it has to go by is what the indexes answer.
    pub(super) fn look_up(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push("(SELECT f.* FROM files AS f WHERE true");
        self.words(sql);
        if let Some(parts) = &self.name_parts {
            sql.push(" AND name_parts(f.name_lower) @@ ").push_bind(parts.clone()).push("::text::tsquery");
        }
        // But of sizes and changes it knows enough: few of them are found sooner than a word that is everywhere.
        let Filter { size_min, size_max, updated_from, updated_to, .. } = self.query.filter;
        if size_min.or(size_max).is_some() || updated_from.or(updated_to).is_some() {
            sql.push(" AND ");
            self.others(sql);
        }
    }

    /// All that [`look_up`](Self::look_up) leaves open.
    pub(super) fn others(&self, sql: &mut QueryBuilder<Postgres>) {
        self.shown(sql);
        match &self.part {
            // No name holds it, and PostgreSQL takes it for no text at all.
            Some(part) if part.contains('\0') => drop(sql.push(" AND false")),
            Some(part) => drop(sql.push(" AND strpos(f.name_lower, ").push_bind(part.clone()).push(") > 0")),
            None => {}
        }
        let filter = &self.query.filter;
        let bytes = |size: Option<u64>| size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
        bound(sql, "f.file_size", " >= ", bytes(filter.size_min));
        bound(sql, "f.file_size", " <= ", bytes(filter.size_max));
        bound(sql, "f.updated_at", " >= ", filter.updated_from.map(Timestamp::micros));
        bound(sql, "f.updated_at", " <= ", filter.updated_to.map(Timestamp::micros));
        self.created(sql);
    }

    /// When files were created.
    pub(super) fn created(&self, sql: &mut QueryBuilder<Postgres>) {
        let Filter { created_from, created_to, .. } = self.query.filter;
        bound(sql, "f.created_at", " >= ", created_from.map(Timestamp::micros));
        bound(sql, "f.created_at", " <= ", created_to.map(Timestamp::micros));
    }

    /// All of it, for rows that are looked at one by one.
    pub(super) fn all(&self, sql: &mut QueryBuilder<Postgres>) {
        self.others(sql);
        self.words(sql);
    }

    /// Where the page begins.
    pub(super) fn after_cursor(&self, sql: &mut QueryBuilder<Postgres>) -> CatalogResult<()> {
        let PageRequest::After(cursor) = &self.query.page else { return Ok(()) };
        let beyond = match self.query.order {
            Order::Asc => " > ",
            Order::Desc => " < ",
        };
        sql.push(" AND (").push(self.column()).push(", f.file_id)").push(beyond).push("(");
        match (&cursor.value, self.query.sort == Sort::OriginalFilename) {
            (SortValue::Number(value), false) => sql.push_bind(*value),
            (SortValue::Text(value), true) => sql.push_bind(value.clone()),
            _ => {
                let reason = "the cursor does not belong to this order".to_owned();
                return Err(CatalogError::Refused { action: ACTION, reason });
            }
        };
        sql.push(", ").push_bind(cursor.id).push(")");
        Ok(())
    }

    /// What is sorted by.
    pub(super) fn column(&self) -> &'static str {
        match self.query.sort {
            Sort::CreatedAt | Sort::Relevance => "f.created_at",
            Sort::UpdatedAt => "f.updated_at",
            Sort::OriginalFilename => "f.original_filename",
            Sort::FileSize => "f.file_size",
        }
    }

    pub(super) fn order_by(&self, sql: &mut QueryBuilder<Postgres>) {
        let direction = direction(self.query.order);
        sql.push(" ORDER BY ").push(self.column()).push(direction).push(", f.file_id").push(direction);
    }

    /// Rows to leave out.
    pub(super) fn offset(&self) -> u64 {
        match self.query.page {
            PageRequest::Offset(offset) => offset,
            PageRequest::First | PageRequest::After(_) => 0,
        }
    }

    /// The end of a statement: one row more than the page has, to know whether rows follow.
    pub(super) fn limit(&self, sql: &mut QueryBuilder<Postgres>) {
        sql.push(" LIMIT ").push_bind(i64::from(self.query.limit) + 1);
        sql.push(" OFFSET ").push_bind(i64::try_from(self.offset()).unwrap_or(i64::MAX));
    }
}

pub(super) fn direction(order: Order) -> &'static str {
    match order {
        Order::Asc => " ASC",
        Order::Desc => " DESC",
    }
}

fn bound(sql: &mut QueryBuilder<Postgres>, column: &'static str, sign: &'static str, value: Option<i64>) {
    if let Some(value) = value {
        sql.push(" AND ").push(column).push(sign).push_bind(value);
    }
}

/// `metadata.a.b=VALUE`: the string, or the number or boolean it reads as.
fn metadata(sql: &mut QueryBuilder<Postgres>, filter: &MetadataFilter) {
    if filter.value.contains('\0') || filter.path.iter().any(|key| key.contains('\0')) {
        sql.push(" AND false");
        return;
    }
    let nested = |value: Value| {
        let nest = |inner, key: &String| Value::Object(std::iter::once((key.clone(), inner)).collect());
        filter.path.iter().rev().fold(value, nest).to_string()
    };
    sql.push(" AND (f.metadata @> ").push_bind(nested(Value::String(filter.value.clone()))).push("::text::jsonb");
    if let Ok(value @ (Value::Bool(_) | Value::Number(_))) = serde_json::from_str(&filter.value) {
        sql.push(" OR f.metadata @> ").push_bind(nested(value)).push("::text::jsonb");
    }
    sql.push(")");
}
