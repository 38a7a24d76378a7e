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
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for mut sql in statements(query, expression.as_deref())? {
        found = sql.build().fetch_all(&mut *conn).await.map_err(said(ACTION))?;
        if found.len() > limit {
            break;
        }
    }
    let rows = found.iter().take(limit).map(rows::read).collect::<CatalogResult<Vec<_>>>()?;
    let (total, total_is_minimum) = match query.page {
        PageRequest::Offset(_) => count(conn, query, expression.as_deref()).await?,
        PageRequest::First | PageRequest::After(_) => (None, false),
    };
    Ok(Page { rows, has_more: found.len() > limit, total, total_is_minimum })
}

/// The statements for a page; a later one is asked when the one before has not filled it.
///
/// A word may be in every file or in one of a million. The planner knows which only of the most common words: of any
/// other it guesses, and walks a million files for the one. So it is not asked: common words fill a page from a short
/// walk, and what does not is rare enough to be looked up whole.
fn statements(query: &FileQuery, expression: Option<&str>) -> CatalogResult<Vec<QueryBuilder<Postgres>>> {
    match (query.sort, &query.text, expression) {
        (Sort::Relevance, Some(text), Some(expression)) => Ok(vec![relevance::page(query, text, expression)?]),
        _ if expression.is_none() && query.filter.metadata.is_empty() => Ok(vec![sorted(query, None, Reach::All)?]),
        _ => Ok(vec![sorted(query, expression, Reach::Walk)?, sorted(query, expression, Reach::LookUp)?]),
    }
}

/// How far a statement looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// At as many files as it takes, in their order.
    All,
    /// At the next files in their order, whether they match or not.
    Walk,
    /// At all that match, in the order of the index that finds them.
    LookUp,
}

/// Files that a walk looks at.
const WALKED: i64 = 2_000;

fn sorted(query: &FileQuery, expression: Option<&str>, reach: Reach) -> CatalogResult<QueryBuilder<Postgres>> {
    let mut sql = QueryBuilder::<Postgres>::new(match reach {
        Reach::All | Reach::Walk => concat!("SELECT ", columns!()),
        // Keys alone, so that a sort of many stays in memory.
        Reach::LookUp => {
            "WITH found AS MATERIALIZED (SELECT f.file_id, f.created_at, f.updated_at, f.original_filename, f.file_size"
        }
    });
    match reach {
        Reach::All => matches(&mut sql, &query.filter, expression),
        Reach::Walk => {
            // Nothing is moved into a subquery with a limit, and its order is kept: the walk ends with the page.
            sql.push(" FROM (SELECT f.* FROM files AS f WHERE ");
            shown(&mut sql, &query.filter);
            from_cursor(&mut sql, query)?;
            order_by(&mut sql, query);
            sql.push(" LIMIT ").push_bind(WALKED).push(") AS f WHERE ");
            conditions(&mut sql, &query.filter, expression);
        }
        Reach::LookUp => {
            matches(&mut sql, &query.filter, expression);
            sql.push("), page AS MATERIALIZED (SELECT f.file_id FROM found AS f WHERE true");
        }
    }
    from_cursor(&mut sql, query)?;
    order_by(&mut sql, query);
    sql.push(" LIMIT ").push_bind(i64::from(query.limit) + 1);
    if let PageRequest::Offset(offset) = query.page {
        sql.push(" OFFSET ").push_bind(i64::try_from(offset).unwrap_or(i64::MAX));
    }
    if reach == Reach::LookUp {
        sql.push(concat!(") SELECT ", columns!(), " FROM page JOIN files AS f ON f.file_id = page.file_id"));
        order_by(&mut sql, query);
    }
    Ok(sql)
}

fn column(sort: Sort) -> &'static str {
    match sort {
        Sort::CreatedAt | Sort::Relevance => "f.created_at",
        Sort::UpdatedAt => "f.updated_at",
        Sort::OriginalFilename => "f.original_filename",
        Sort::FileSize => "f.file_size",
    }
}

fn order_by(sql: &mut QueryBuilder<Postgres>, query: &FileQuery) {
    let direction = match query.order {
        Order::Asc => " ASC",
        Order::Desc => " DESC",
    };
    sql.push(" ORDER BY ").push(column(query.sort)).push(direction).push(", f.file_id").push(direction);
}

/// Where the page begins.
fn from_cursor(sql: &mut QueryBuilder<Postgres>, query: &FileQuery) -> CatalogResult<()> {
    let PageRequest::After(cursor) = &query.page else { return Ok(()) };
    let beyond = match query.order {
        Order::Asc => " > ",
        Order::Desc => " < ",
    };
    sql.push(" AND (").push(column(query.sort)).push(", f.file_id)").push(beyond).push("(");
    match (&cursor.value, query.sort == Sort::OriginalFilename) {
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

/// Source and conditions.
pub(super) fn matches(sql: &mut QueryBuilder<Postgres>, filter: &Filter, expression: Option<&str>) {
    sql.push(" FROM files AS f WHERE ");
    conditions(sql, filter, expression);
}

/// Files that are shown at all. Written out, not bound, so that partial indexes are used.
fn shown(sql: &mut QueryBuilder<Postgres>, filter: &Filter) {
    let status = filter.status.unwrap_or(FileStatus::Active);
    sql.push(format_args!("f.status = '{}' AND f.blocked_by IS NULL", status.as_str()));
}

fn conditions(sql: &mut QueryBuilder<Postgres>, filter: &Filter, expression: Option<&str>) {
    shown(sql, filter);
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
    let mut statements = statements(query, expression.as_deref())?;
    statements.push(counting(query, expression.as_deref()));
    for mut asked in statements {
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
