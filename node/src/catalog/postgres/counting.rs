//! How many files match in all.

use sqlx::{Postgres, QueryBuilder, Row};

use super::asking::Asking;
use super::conditions::Wanted;
use super::error::said;
use super::{newest, totals};
use crate::catalog::CatalogResult;
use crate::model::{FileStatus, Filter};

const ACTION: &str = "count files";
/// Matches of a text are counted up to here.
const LIMIT: i64 = 10_000;
/// Files that are walked through for a count: so many of them match that there will be more than are counted.
const WALKED: i64 = 70_000;

/// The count, and whether there are more.
pub(super) async fn count(asking: &mut Asking<'_>, wanted: &Wanted<'_>) -> CatalogResult<(Option<u64>, bool)> {
    let query = wanted.query;
    let plain = Filter { status: query.filter.status, ..Filter::default() };
    if !wanted.indexed() && query.filter == plain {
        let shown = totals::shown(asking.connection(), plain.status.unwrap_or(FileStatus::Active)).await?;
        return Ok((Some(shown), false));
    }
    if query.text.is_none() {
        return Ok((Some(counted(asking, statement(wanted, false)).await?.unsigned_abs()), false));
    }
    let sample = newest::sample(asking, wanted).await?;
    if sample.is_all() {
        return Ok((Some(sample.matches), false));
    }
    let mut total = 0;
    // To find in an index all that have a common word takes longer than to walk past the few that have it not.
    if sample.matches * 6 > sample.files {
        total = counted(asking, statement(wanted, true)).await?;
    }
    if total <= LIMIT {
        total = counted(asking, statement(wanted, false)).await?;
    }
    Ok((Some(total.min(LIMIT).unsigned_abs()), total > LIMIT))
}

async fn counted(asking: &mut Asking<'_>, sql: QueryBuilder<Postgres>) -> CatalogResult<i64> {
    asking.one(ACTION, sql).await?.try_get("total").map_err(said(ACTION))
}

fn statement(wanted: &Wanted<'_>, walk: bool) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::<Postgres>::new("SELECT count(*) AS total FROM (SELECT 1 FROM ");
    if walk {
        sql.push("(SELECT f.* FROM files AS f WHERE ");
        wanted.shown(&mut sql);
        sql.push(" ORDER BY f.created_at DESC LIMIT ").push_bind(WALKED).push(") AS f WHERE ");
        wanted.all(&mut sql);
    } else if wanted.indexed() {
        wanted.look_up(&mut sql);
        sql.push(" OFFSET 0) AS f WHERE ");
        wanted.others(&mut sql);
    } else {
        sql.push("files AS f WHERE ");
        wanted.others(&mut sql);
    }
    if wanted.query.text.is_some() {
        sql.push(" LIMIT ").push_bind(LIMIT + 1);
    }
    sql.push(") AS counted");
    sql
}
