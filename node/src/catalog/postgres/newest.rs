//! Pages in the order of creation, and by how well files match a text, of files that an index finds.
//!
//! Ranking every file that holds a word takes the longer the more common the word. Here only the newest matches are
//! looked at, and a term counts by where it stands: a name says more than a tag, and a tag more than a description.

use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row};

use super::asking::Asking;
use super::conditions::{ACTION, Wanted, direction};
use super::error::said;
use super::matching::{WEIGHTS, within};
use super::rows::columns;
use super::stretch::{Hunt, Look};
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{Order, PageRequest, TextQuery};

/// The newest matches that are ranked.
const RANKED: u64 = 5_000;
/// Matches of a stretch that are looked at for a ranking.
const RANKED_AT_MOST: u64 = 9_000;
/// The first terms of a text that are ranked by; all have to match anyway.
const RANKED_TERMS: usize = 8;
/// Matches of a stretch that are looked at for any page.
const LOOKED_AT: u64 = 2_000;
/// The files at the near end that tell how often matches come.
const SAMPLE: u64 = 1_000;
/// Files that are walked through for a page.
const WALKED: u64 = 2_000;

/// Where matches are looked for.
enum Source {
    /// Among the next files in their order, whether they match or not: so many.
    Walk(u64),
    /// Among all that match in a stretch of time.
    Stretch(Look),
}

/// How often matches come at the near end, and where files stand.
pub(super) struct Sample {
    /// Files that were looked at.
    pub(super) files: u64,
    /// Matches among them.
    pub(super) matches: u64,
    /// The creation of the nearest file, of the last one that was looked at, of the farthest; `None` without files.
    ends: Option<(i64, i64, i64)>,
}

impl Sample {
    /// There are no more files than these.
    pub(super) fn is_all(&self) -> bool {
        self.files < SAMPLE
    }
}

/// The rows of a page and the one after it.
pub(super) async fn page(asking: &mut Asking<'_>, wanted: &Wanted<'_>) -> CatalogResult<Vec<PgRow>> {
    let mut walked = Vec::new();
    let (enough, most) = if wanted.ranked_by().is_some() {
        if matches!(wanted.query.page, PageRequest::After(_)) {
            let reason = "pages by relevance are asked for by offset".to_owned();
            return Err(CatalogError::Refused { action: ACTION, reason });
        }
        (RANKED, RANKED_AT_MOST)
    } else {
        let enough = wanted.offset().saturating_add(u64::from(wanted.query.limit) + 1);
        let (found, rows) = asked(asking, wanted, enough, &Source::Walk(WALKED)).await?;
        if found >= enough {
            return Ok(rows);
        }
        walked = rows;
        (enough, enough.saturating_mul(2).max(LOOKED_AT))
    };
    let sample = sample(asking, wanted).await?;
    let Some((near, seen, far)) = sample.ends else { return Ok(walked) };
    if wanted.ranked_by().is_none() && sample.is_all() {
        return Ok(walked);
    }
    // Where matches stand close together a walk past the few others is the shortest way.
    if wanted.ranked_by().is_some() && (sample.is_all() || sample.matches * 2 > sample.files) {
        let (found, rows) = asked(asking, wanted, enough, &Source::Walk(RANKED * 2)).await?;
        if found >= enough || sample.is_all() {
            return Ok(rows);
        }
    }
    let mut hunt = Hunt::new((near, far), seen, sample.matches, enough, most);
    loop {
        let (found, rows) = asked(asking, wanted, enough, &Source::Stretch(hunt.look())).await?;
        if !hunt.goes_on(found) {
            return Ok(rows);
        }
    }
}

/// How many matches a source has, as far as they are counted, and the page.
async fn asked(
    asking: &mut Asking<'_>,
    wanted: &Wanted<'_>,
    enough: u64,
    source: &Source,
) -> CatalogResult<(u64, Vec<PgRow>)> {
    let mut rows = asking.all(ACTION, statement(wanted, enough, source)?).await?;
    let mut found = 0;
    if let Some(row) = rows.first() {
        let total: i64 = row.try_get("total").map_err(said(ACTION))?;
        found = total.unsigned_abs();
    }
    // The count comes with each row of the page, and with none at all if there is none.
    rows.retain(|row| row.try_get::<Option<&str>, _>("attr").is_ok_and(|attr| attr.is_some()));
    Ok((found, rows))
}

fn statement(wanted: &Wanted<'_>, enough: u64, source: &Source) -> CatalogResult<QueryBuilder<Postgres>> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut sql = QueryBuilder::<Postgres>::new("WITH found AS MATERIALIZED (SELECT f.file_id, f.created_at, ");
    score(&mut sql, wanted.ranked_by());
    sql.push(" AS score FROM ");
    match source {
        Source::Walk(files) => {
            // Nothing is moved into a subquery with a limit, and its order is kept: the walk ends with the page.
            nearest(&mut sql, wanted, *files)?;
            wanted.all(&mut sql);
            near_first(&mut sql, wanted);
            sql.push(" LIMIT ").push_bind(number(enough));
        }
        Source::Stretch(Look { stretch, most }) => {
            wanted.look_up(&mut sql);
            sql.push(" AND time_spans(f.created_at) && ").push_bind(stretch.spans()).push(" OFFSET 0) AS f WHERE ");
            wanted.others(&mut sql);
            wanted.after_cursor(&mut sql)?;
            sql.push(" AND f.created_at BETWEEN ").push_bind(stretch.from).push(" AND ").push_bind(stretch.to);
            if let Some(most) = most {
                sql.push(" LIMIT ").push_bind(number(*most) + 1);
            }
        }
    }
    sql.push("), counted AS MATERIALIZED (SELECT count(*) AS total FROM found), near AS (SELECT found.* FROM found");
    if wanted.ranked_by().is_some() {
        sql.push(" ORDER BY found.created_at DESC, found.file_id DESC LIMIT ").push_bind(number(RANKED));
    }
    sql.push("), page AS MATERIALIZED (SELECT near.* FROM near");
    if let Source::Stretch(Look { most: Some(most), .. }) = source {
        sql.push(" WHERE (SELECT total FROM counted) <= ").push_bind(number(*most));
    }
    best_first(&mut sql, wanted, "near");
    wanted.limit(&mut sql);
    sql.push(concat!(
        ") SELECT ",
        columns!(),
        ", counted.total FROM counted LEFT JOIN (page JOIN files AS f ON f.file_id = page.file_id) ON true"
    ));
    best_first(&mut sql, wanted, "page");
    Ok(sql)
}

/// The nearest files, whether they match or not.
fn nearest(sql: &mut QueryBuilder<Postgres>, wanted: &Wanted<'_>, files: u64) -> CatalogResult<()> {
    sql.push("(SELECT f.* FROM files AS f WHERE ");
    wanted.shown(sql);
    wanted.created(sql);
    wanted.after_cursor(sql)?;
    near_first(sql, wanted);
    sql.push(" LIMIT ").push_bind(i64::try_from(files).unwrap_or(i64::MAX)).push(") AS f WHERE ");
    Ok(())
}

/// A ranking looks at the newest, whichever way it is sorted.
fn nearness(wanted: &Wanted<'_>) -> Order {
    if wanted.ranked_by().is_some() { Order::Desc } else { wanted.query.order }
}

fn near_first(sql: &mut QueryBuilder<Postgres>, wanted: &Wanted<'_>) {
    let direction = direction(nearness(wanted));
    sql.push(" ORDER BY f.created_at").push(direction).push(", f.file_id").push(direction);
}

fn best_first(sql: &mut QueryBuilder<Postgres>, wanted: &Wanted<'_>, of: &str) {
    sql.push(" ORDER BY ");
    if wanted.ranked_by().is_some() {
        sql.push(of).push(".score").push(direction(wanted.query.order)).push(", ");
    }
    let near = direction(nearness(wanted));
    sql.push(format_args!("{of}.created_at{near}, {of}.file_id{near}"));
}

fn score(sql: &mut QueryBuilder<Postgres>, text: Option<&TextQuery>) {
    sql.push("0");
    for term in text.into_iter().flat_map(|text| text.terms.iter().take(RANKED_TERMS)) {
        for (part, weight) in WEIGHTS {
            sql.push(" + ").push(weight).push(" * (f.words @@ ");
            sql.push_bind(within(term, part)).push("::text::tsquery)::int");
        }
    }
}

/// Looks at the nearest files.
pub(super) async fn sample(asking: &mut Asking<'_>, wanted: &Wanted<'_>) -> CatalogResult<Sample> {
    let mut sql = QueryBuilder::<Postgres>::new("SELECT count(*) AS files, count(*) FILTER (WHERE ");
    wanted.all(&mut sql);
    sql.push(") AS matches, min(f.created_at) AS low, max(f.created_at) AS high, (SELECT f.created_at FROM ");
    sql.push("files AS f WHERE ");
    wanted.shown(&mut sql);
    wanted.created(&mut sql);
    wanted.after_cursor(&mut sql)?;
    let newest_first = nearness(wanted) == Order::Desc;
    sql.push(" ORDER BY f.created_at").push(direction(if newest_first { Order::Asc } else { Order::Desc }));
    sql.push(" LIMIT 1) AS far FROM ");
    nearest(&mut sql, wanted, SAMPLE)?;
    sql.push("true");
    let row = asking.one(ACTION, sql).await?;
    let number = |name| row.try_get::<i64, _>(name).map(i64::unsigned_abs).map_err(said(ACTION));
    let moment = |name| row.try_get::<Option<i64>, _>(name).map_err(said(ACTION));
    let ends = match (moment("low")?, moment("high")?, moment("far")?) {
        (Some(low), Some(high), Some(far)) if newest_first => Some((high, low, far)),
        (Some(low), Some(high), Some(far)) => Some((low, high, far)),
        _ => None,
    };
    Ok(Sample { files: number("files")?, matches: number("matches")?, ends })
}
