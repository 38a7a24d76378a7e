//! Pages of files: lists and searches.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqlitePool};

use super::error::said;
use super::relevance;
use super::rows::{self, COLUMNS, seq};
use super::{matching, names, totals};
use crate::catalog::exact::lower;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{CursorKey, FileQuery, FileStatus, Filter, Order, Page, PageRequest, Sort, SortValue, Timestamp};

/// Matches of a text are counted up to here.
const COUNT_LIMIT: i64 = 10_000;

pub(super) const ACTION: &str = "list files";

/// A page.
pub(super) async fn page(pool: &SqlitePool, query: &FileQuery) -> CatalogResult<Page> {
    let expression = matching::expression(query.text.as_ref(), &query.filter);
    let indexed = Indexed {
        names: names::look_up(
            pool,
            query.filter.filename.as_deref(),
            expression.is_none() && matches!(query.sort, Sort::CreatedAt | Sort::Relevance),
            expression.is_some(),
        )
        .await?,
        expression,
    };
    let mut sql = match (query.sort, &query.text, &indexed.expression) {
        (Sort::Relevance, Some(text), Some(expression)) => relevance::page(query, text, expression, &indexed)?,
        _ => sorted(pool, query, &indexed).await?,
    };
    let found = sql.build().fetch_all(pool).await.map_err(said(ACTION))?;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let rows = found.iter().take(limit).map(rows::read).collect::<CatalogResult<Vec<_>>>()?;
    let (total, total_is_minimum) = match query.page {
        PageRequest::Offset(_) => count(pool, query, &indexed).await?,
        PageRequest::First | PageRequest::After(_) => (None, false),
    };
    Ok(Page { rows, has_more: found.len() > limit, total, total_is_minimum })
}

/// What the indexes are asked.
pub(super) struct Indexed {
    /// The one of words and values.
    expression: Option<String>,
    /// The one of parts of names.
    names: Option<String>,
}

impl Indexed {
    fn leads(&self) -> bool {
        self.expression.is_some() || self.names.is_some()
    }

    /// The number of a row, in the index that leads.
    fn number(&self) -> &'static str {
        match (&self.expression, &self.names) {
            (Some(_), _) => "files_text.rowid",
            (None, Some(_)) => "files_names.rowid",
            (None, None) => "f.seq",
        }
    }
}

async fn sorted(pool: &SqlitePool, query: &FileQuery, indexed: &Indexed) -> CatalogResult<QueryBuilder<Sqlite>> {
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT ");
    sql.push(COLUMNS);
    source(&mut sql, query, indexed);
    conditions(&mut sql, &query.filter, query.sort, indexed);
    // Rows lie in the order of creation, and so do matches of the text index.
    let column = match query.sort {
        Sort::CreatedAt | Sort::Relevance => indexed.number(),
        Sort::UpdatedAt => "f.updated_at",
        Sort::OriginalFilename => "f.original_filename",
        Sort::FileSize => "f.file_size",
    };
    let by_number = matches!(query.sort, Sort::CreatedAt | Sort::Relevance);
    let (direction, beyond) = match query.order {
        Order::Asc => (" ASC", " > "),
        Order::Desc => (" DESC", " < "),
    };
    if let PageRequest::After(cursor) = &query.page {
        if by_number {
            let last = number_of(pool, cursor).await?;
            sql.push(" AND ").push(column).push(beyond).push_bind(last);
        } else {
            sql.push(" AND (").push(column).push(", f.file_id)").push(beyond).push("(");
            match &cursor.value {
                SortValue::Number(value) => sql.push_bind(*value),
                SortValue::Text(value) => sql.push_bind(value.clone()),
            };
            sql.push(", ").push_bind(cursor.id.as_bytes().to_vec()).push(")");
        }
    }
    sql.push(" ORDER BY ").push(column).push(direction);
    if !by_number {
        sql.push(", f.file_id").push(direction);
    }
    sql.push(" LIMIT ").push_bind(i64::from(query.limit) + 1);
    if let PageRequest::Offset(offset) = query.page {
        sql.push(" OFFSET ").push_bind(i64::try_from(offset).unwrap_or(i64::MAX));
    }
    Ok(sql)
}

/// Where rows come from: the text index leads where there is anything to look up in it.
fn source(sql: &mut QueryBuilder<Sqlite>, query: &FileQuery, indexed: &Indexed) {
    let by_number = matches!(query.sort, Sort::CreatedAt | Sort::Relevance);
    match (&indexed.expression, &indexed.names) {
        // Names come first: there are few of them, and each is asked of the index of words by its number.
        (Some(expression), Some(names)) => {
            sql.push(
                " FROM files_names CROSS JOIN files_text ON files_text.rowid = files_names.rowid \
                 CROSS JOIN files AS f ON f.seq = files_text.rowid WHERE files_names MATCH ",
            );
            sql.push_bind(names.clone()).push(" AND files_text MATCH ").push_bind(expression.clone());
        }
        (Some(expression), None) => {
            sql.push(" FROM files_text CROSS JOIN files AS f ON f.seq = files_text.rowid WHERE files_text MATCH ");
            sql.push_bind(expression.clone());
        }
        (None, Some(names)) => {
            sql.push(" FROM files_names CROSS JOIN files AS f ON f.seq = files_names.rowid WHERE files_names MATCH ");
            sql.push_bind(names.clone());
        }
        (None, None) if by_number && query.filter.status == Some(FileStatus::Deleted) => {
            sql.push(" FROM files AS f INDEXED BY files_deleted WHERE true");
        }
        (None, None) => {
            sql.push(" FROM files AS f WHERE true");
        }
    }
}

/// Source and conditions of matches whose numbers alone are wanted. Without conditions on rows only the few hidden ones
/// are looked up, not each match.
pub(super) fn matches(sql: &mut QueryBuilder<Sqlite>, query: &FileQuery, expression: &str, indexed: &Indexed) {
    let filter = &query.filter;
    let status = Filter { status: filter.status, ..Filter::default() };
    let in_index = Filter {
        tags: Vec::new(),
        created_by: None,
        extension: None,
        content_type: None,
        metadata: Vec::new(),
        ..filter.clone()
    };
    if in_index == status && filter.status != Some(FileStatus::Deleted) {
        sql.push(" FROM files_text WHERE files_text MATCH ").push_bind(expression.to_owned());
        sql.push(
            " AND NOT EXISTS (SELECT 1 FROM files AS h INDEXED BY files_hidden WHERE h.seq = files_text.rowid \
             AND (h.status = 'deleted' OR h.blocked_by IS NOT NULL))",
        );
    } else {
        source(sql, query, indexed);
        conditions(sql, filter, query.sort, indexed);
    }
}

/// All that is not a lookup in the text index. A plus keeps the planner from leaving the order rows are wanted in.
fn conditions(sql: &mut QueryBuilder<Sqlite>, filter: &Filter, sort: Sort, index: &Indexed) {
    let indexed = index.leads();
    let by_number = indexed || matches!(sort, Sort::CreatedAt | Sort::Relevance);
    let status = filter.status.unwrap_or(FileStatus::Active);
    // Written out, not bound, so that the partial index of deleted files is used.
    let keep = if by_number && (indexed || status == FileStatus::Active) { "+" } else { "" };
    sql.push(format_args!(" AND {keep}f.status = '{}' AND f.blocked_by IS NULL", status.as_str()));
    if let Some(part) = &filter.filename {
        sql.push(" AND instr(f.name_lower, ").push_bind(lower(part)).push(") > 0");
    }
    let mut bound = |column: &'static str, sign: &'static str, value: Option<i64>, plus: bool| {
        if let Some(value) = value {
            sql.push(" AND ").push(if plus { "+" } else { "" }).push(column).push(sign).push_bind(value);
        }
    };
    let bytes = |size: Option<u64>| size.map(|size| i64::try_from(size).unwrap_or(i64::MAX));
    let by_size = !indexed && sort == Sort::FileSize;
    bound("f.file_size", " >= ", bytes(filter.size_min), !by_size);
    bound("f.file_size", " <= ", bytes(filter.size_max), !by_size);
    let by_update = !indexed && sort == Sort::UpdatedAt;
    bound("f.updated_at", " >= ", filter.updated_from.map(Timestamp::micros), !by_update);
    bound("f.updated_at", " <= ", filter.updated_to.map(Timestamp::micros), !by_update);
    bound("f.created_at", " >= ", filter.created_from.map(Timestamp::micros), true);
    bound("f.created_at", " <= ", filter.created_to.map(Timestamp::micros), true);
    // The same range in row numbers, which is where a walk can begin and end.
    let column = index.number();
    bound(column, " >= ", filter.created_from.map(|at| at.millis().max(0) << 15), !by_number);
    bound(column, " <= ", filter.created_to.map(|at| ((at.millis().max(0) + 1) << 15) + (1 << 15)), !by_number);
}

/// The row number of the last row of a page: its own, or, if the row is gone, the one it had.
async fn number_of(pool: &SqlitePool, cursor: &CursorKey) -> CatalogResult<i64> {
    let SortValue::Number(created_at) = cursor.value else {
        let reason = "the cursor does not belong to this order".to_owned();
        return Err(CatalogError::Refused { action: ACTION, reason });
    };
    let found: Option<i64> = sqlx::query_scalar("SELECT seq FROM files WHERE file_id = ?1")
        .bind(cursor.id.as_bytes().as_slice())
        .fetch_optional(pool)
        .await
        .map_err(said(ACTION))?;
    Ok(found.unwrap_or_else(|| seq(Timestamp::from_micros(created_at), cursor.id)))
}

async fn count(pool: &SqlitePool, query: &FileQuery, indexed: &Indexed) -> CatalogResult<(Option<u64>, bool)> {
    let plain = Filter { status: query.filter.status, ..Filter::default() };
    if indexed.expression.is_none() && query.filter == plain {
        return totals::shown(pool, plain.status.unwrap_or(FileStatus::Active)).await.map(|total| (Some(total), false));
    }
    let mut sql = QueryBuilder::<Sqlite>::new("SELECT count(*) AS total FROM (SELECT 1");
    if let Some(expression) = &indexed.expression {
        matches(&mut sql, query, expression, indexed);
    } else {
        let query = FileQuery { sort: Sort::CreatedAt, ..query.clone() };
        source(&mut sql, &query, indexed);
        conditions(&mut sql, &query.filter, query.sort, indexed);
    }
    if query.text.is_some() {
        sql.push(" LIMIT ").push_bind(COUNT_LIMIT + 1);
    }
    sql.push(")");
    let row: SqliteRow = sql.build().fetch_one(pool).await.map_err(said("count files"))?;
    let total: i64 = row.try_get("total").map_err(said("count files"))?;
    let beyond = query.text.is_some() && total > COUNT_LIMIT;
    Ok((Some(if beyond { COUNT_LIMIT } else { total }.unsigned_abs()), beyond))
}
