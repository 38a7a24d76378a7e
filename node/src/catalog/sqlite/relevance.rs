//! How well files match a text.
//!
//! The index's own rank counts every file that holds a word before it ranks the first, which takes the longer the more
//! common the word. Here only the newest matches are looked at, and a term counts by where it stands: a name says more
//! than a tag, and a tag more than a description.

use sqlx::{QueryBuilder, Sqlite};

use super::list::{ACTION, Indexed, matches};
use super::matching::{WEIGHTS, within};
use super::rows::COLUMNS;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{FileQuery, Order, PageRequest, TextQuery};

/// The newest matches that are ranked.
const RANKED: i64 = 5_000;
/// The first terms of a text that are ranked by; all have to match anyway.
const RANKED_TERMS: usize = 8;

/// The statement for a page by relevance, the newest first among equals.
pub(super) fn page(
    query: &FileQuery,
    text: &TextQuery,
    expression: &str,
    indexed: &Indexed,
) -> CatalogResult<QueryBuilder<Sqlite>> {
    let offset = match query.page {
        PageRequest::First => 0,
        PageRequest::Offset(offset) => i64::try_from(offset).unwrap_or(i64::MAX),
        PageRequest::After(_) => {
            let reason = "pages by relevance are asked for by offset".to_owned();
            return Err(CatalogError::Refused { action: ACTION, reason });
        }
    };
    let mut sql = QueryBuilder::<Sqlite>::new("WITH hits (seq) AS MATERIALIZED (SELECT files_text.rowid");
    matches(&mut sql, query, expression, indexed);
    sql.push(" ORDER BY files_text.rowid DESC LIMIT ").push_bind(RANKED);
    sql.push("), span (low, high) AS MATERIALIZED (SELECT min(seq), max(seq) FROM hits), ranked (seq, score) AS (SELECT seq, 0");
    // With more than one condition a common term is looked up only where the others match too.
    let rest = (text.terms.len() > 1 || expression.contains("exact :")).then_some(expression);
    for term in text.terms.iter().take(RANKED_TERMS) {
        for (column, weight) in WEIGHTS {
            sql.push(" + ").push(weight);
            sql.push(" * (seq IN (SELECT rowid FROM files_text WHERE files_text MATCH ");
            sql.push_bind(within(column, term, rest));
            sql.push(" AND rowid BETWEEN (SELECT low FROM span) AND (SELECT high FROM span)))");
        }
    }
    let (best, newest) = match query.order {
        Order::Desc => ("score DESC", "seq DESC"),
        Order::Asc => ("score ASC", "seq DESC"),
    };
    sql.push(" FROM hits ORDER BY ").push(best.replace("score", "2")).push(", ").push(newest);
    sql.push(" LIMIT ").push_bind(i64::from(query.limit) + 1).push(" OFFSET ").push_bind(offset);
    sql.push(") SELECT ")
        .push(COLUMNS)
        .push(" FROM ranked CROSS JOIN files AS f ON f.seq = ranked.seq ORDER BY ranked.");
    sql.push(best).push(", ranked.").push(newest);
    Ok(sql)
}
