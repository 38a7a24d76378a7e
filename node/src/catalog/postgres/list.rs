//! Pages of files: lists and searches.

use serde_json::Value;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::error::said;
use super::rows::{self, columns};
use super::{matching, relevance, totals};
use crate::catalog::exact::lower;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{
    FileQuery, FileStatus, Filter, MetadataFilter, Order, Page, PageRequest, Sort, SortValue, Timestamp,
};

/// Matches of a text are counted up to here.
const COUNT_LIMIT: i64 = 10_000;

pub(super) const ACTION: &str = "list files";

/// A page.
pub(super) async fn page(conn: &mut PgConnection, query: &FileQuery) -> CatalogResult<Page> {
    let expression = matching::expression(query.text.as_ref(), &query.filter);
    let mut sql = statement(query, expression.as_deref())?;
    let found = sql.build().fetch_all(&mut *conn).await.map_err(said(ACTION))?;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let rows = found.iter().take(limit).map(rows::read).collect::<CatalogResult<Vec<_>>>()?;
    let (total, total_is_minimum) = match query.page {
        PageRequest::Offset(_) => count(conn, query, expression.as_deref()).await?,
        PageRequest::First | PageRequest::After(_) => (None, false),
    };
    Ok(Page { rows, has_more: found.len() > limit, total, total_is_minimum })
}

fn statement(query: &FileQuery, expression: Option<&str>) -> CatalogResult<QueryBuilder<Postgres>> {
    match (query.sort, &query.text, expression) {
        (Sort::Relevance, Some(text), Some(expression)) => relevance::page(query, text, expression),
        _ => sorted(query, expression),
    }
}

fn sorted(query: &FileQuery, expression: Option<&str>) -> CatalogResult<QueryBuilder<Postgres>> {
    let mut sql = QueryBuilder::<Postgres>::new(concat!("SELECT ", columns!()));
    matches(&mut sql, &query.filter, expression);
    let column = match query.sort {
        Sort::CreatedAt | Sort::Relevance => "f.created_at",
        Sort::UpdatedAt => "f.updated_at",
        Sort::OriginalFilename => "f.original_filename",
        Sort::FileSize => "f.file_size",
    };
    let (direction, beyond) = match query.order {
        Order::Asc => (" ASC", " > "),
        Order::Desc => (" DESC", " < "),
    };
    if let PageRequest::After(cursor) = &query.page {
        sql.push(" AND (").push(column).push(", f.file_id)").push(beyond).push("(");
        match (&cursor.value, query.sort == Sort::OriginalFilename) {
            (SortValue::Number(value), false) => sql.push_bind(*value),
            (SortValue::Text(value), true) => sql.push_bind(value.clone()),
            _ => {
                let reason = "the cursor does not belong to this order".to_owned();
                return Err(CatalogError::Refused { action: ACTION, reason });
            }
        };
        sql.push(", ").push_bind(cursor.id).push(")");
    }
    sql.push(" ORDER BY ").push(column).push(direction).push(", f.file_id").push(direction);
    sql.push(" LIMIT ").push_bind(i64::from(query.limit) + 1);
    if let PageRequest::Offset(offset) = query.page {
        sql.push(" OFFSET ").push_bind(i64::try_from(offset).unwrap_or(i64::MAX));
    }
    Ok(sql)
}

/// Source and conditions. Which index leads is the planner's choice: it knows how common a word is, and whether the
/// newest hundred files with it are found sooner by walking the newest files or by asking the index of words.
pub(super) fn matches(sql: &mut QueryBuilder<Postgres>, filter: &Filter, expression: Option<&str>) {
    let status = filter.status.unwrap_or(FileStatus::Active);
    // Written out, not bound, so that partial indexes are used.
    sql.push(format_args!(" FROM files AS f WHERE f.status = '{}' AND f.blocked_by IS NULL", status.as_str()));
    if let Some(expression) = expression {
        sql.push(" AND f.words @@ ").push_bind(expression.to_owned()).push("::text::tsquery");
    }
    for one in &filter.metadata {
        metadata(sql, one);
    }
    if let Some(part) = &filter.filename {
        let part = lower(part);
        // No name holds it, and PostgreSQL takes it for no text at all.
        if part.contains('\0') {
            sql.push(" AND false");
        } else {
            sql.push(" AND strpos(f.name_lower, ").push_bind(part).push(") > 0");
        }
    }
    let mut bound = |column: &'static str, sign: &'static str, value: Option<i64>| {
        if let Some(value) = value {
            sql.push(" AND ").push(column).push(sign).push_bind(value);
        }
    };
    let bytes = |size: Option<u64>| size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    bound("f.file_size", " >= ", bytes(filter.size_min));
    bound("f.file_size", " <= ", bytes(filter.size_max));
    bound("f.updated_at", " >= ", filter.updated_from.map(Timestamp::micros));
    bound("f.updated_at", " <= ", filter.updated_to.map(Timestamp::micros));
    bound("f.created_at", " >= ", filter.created_from.map(Timestamp::micros));
    bound("f.created_at", " <= ", filter.created_to.map(Timestamp::micros));
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

/// The statement that counts. In the order of an index, so that of a common word no more is looked at than is counted.
fn counting(query: &FileQuery, expression: Option<&str>) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::<Postgres>::new("SELECT count(*) AS total FROM (SELECT 1");
    matches(&mut sql, &query.filter, expression);
    if query.text.is_some() {
        sql.push(" ORDER BY f.created_at DESC LIMIT ").push_bind(COUNT_LIMIT + 1);
    }
    sql.push(") AS counted");
    sql
}

async fn count(
    conn: &mut PgConnection,
    query: &FileQuery,
    expression: Option<&str>,
) -> CatalogResult<(Option<u64>, bool)> {
    let plain = Filter { status: query.filter.status, ..Filter::default() };
    if expression.is_none() && query.filter == plain {
        let shown = totals::shown(conn, plain.status.unwrap_or(FileStatus::Active)).await?;
        return Ok((Some(shown), false));
    }
    let row = counting(query, expression).build().fetch_one(conn).await.map_err(said("count files"))?;
    let total: i64 = row.try_get("total").map_err(said("count files"))?;
    let beyond = query.text.is_some() && total > COUNT_LIMIT;
    Ok((Some(if beyond { COUNT_LIMIT } else { total }.unsigned_abs()), beyond))
}

/// How PostgreSQL goes about a page, and about counting for it.
pub(super) async fn plans(conn: &mut PgConnection, query: &FileQuery) -> CatalogResult<Vec<String>> {
    let expression = matching::expression(query.text.as_ref(), &query.filter);
    let mut plans = Vec::new();
    for mut asked in [statement(query, expression.as_deref())?, counting(query, expression.as_deref())] {
        let arguments = sqlx::Execute::take_arguments(&mut asked.build())
            .map_err(|error| CatalogError::Refused { action: ACTION, reason: error.to_string() })?;
        let sql = sqlx::AssertSqlSafe(format!("EXPLAIN {}", asked.sql().as_str()));
        let lines: Vec<String> = sqlx::query_scalar_with(sql, arguments.unwrap_or_default())
            .fetch_all(&mut *conn)
            .await
            .map_err(said(ACTION))?;
        plans.push(lines.join("\n"));
    }
    Ok(plans)
}
