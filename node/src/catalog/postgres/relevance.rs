//! How well files match a text.
//!
//! Ranking every file that holds a word takes the longer the more common the word. Here only the newest matches are looked
//! at, and a term counts by where it stands: a name says more than a tag, and a tag more than a description.

use sqlx::{Postgres, QueryBuilder};

use super::list::{ACTION, matches};
use super::matching::{WEIGHTS, within};
use super::rows::columns;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{FileQuery, Order, PageRequest, TextQuery};

/// The newest matches that are ranked.
const RANKED: i64 = 5_000;
/// The first terms of a text that are ranked by; all have to match anyway.
const RANKED_TERMS: usize = 8;

/// The statement for a page by relevance, the newest first among equals.
pub(super) fn page(query: &FileQuery, text: &TextQuery, expression: &str) -> CatalogResult<QueryBuilder<Postgres>> {
    let offset = match query.page {
        PageRequest::First => 0,
        PageRequest::Offset(offset) => i64::try_from(offset).unwrap_or(i64::MAX),
        PageRequest::After(_) => {
            let reason = "pages by relevance are asked for by offset".to_owned();
            return Err(CatalogError::Refused { action: ACTION, reason });
        }
    };
    let mut sql = QueryBuilder::<Postgres>::new("WITH hits AS MATERIALIZED (SELECT f.file_id, f.created_at, 0");
    for term in text.terms.iter().take(RANKED_TERMS) {
        for (part, weight) in WEIGHTS {
            sql.push(" + ").push(weight).push(" * (f.words @@ ");
            sql.push_bind(within(term, part)).push("::text::tsquery)::int");
        }
    }
    sql.push(" AS score");
    matches(&mut sql, &query.filter, Some(expression));
    sql.push(" ORDER BY f.created_at DESC, f.file_id DESC LIMIT ").push_bind(RANKED);
    let best = match query.order {
        Order::Desc => "score DESC, created_at DESC, file_id DESC",
        Order::Asc => "score ASC, created_at DESC, file_id DESC",
    };
    sql.push("), ranked AS MATERIALIZED (SELECT * FROM hits ORDER BY ").push(best);
    sql.push(" LIMIT ").push_bind(i64::from(query.limit) + 1).push(" OFFSET ").push_bind(offset);
    sql.push(concat!(") SELECT ", columns!(), " FROM ranked JOIN files AS f ON f.file_id = ranked.file_id ORDER BY "));
    sql.push(best.replace("created_at", "ranked.created_at").replace("file_id", "ranked.file_id"));
    Ok(sql)
}
