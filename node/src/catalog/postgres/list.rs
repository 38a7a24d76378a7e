//! Pages of files: lists and searches.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::asking::Asking;
use super::conditions::{ACTION, Wanted};
use super::rows::{self, columns};
use super::{counting, newest};
use crate::catalog::CatalogResult;
use crate::model::{FileQuery, Page, PageRequest, Sort};

/// A page.
pub(super) async fn page(conn: &mut PgConnection, query: &FileQuery) -> CatalogResult<Page> {
    paged(&mut Asking::new(conn), query).await
}

/// How PostgreSQL goes about a page: the plan of each statement that it takes.
pub(super) async fn plans(conn: &mut PgConnection, query: &FileQuery) -> CatalogResult<Vec<String>> {
    let mut asking = Asking::explaining(conn);
    paged(&mut asking, query).await?;
    Ok(asking.plans())
}

async fn paged(asking: &mut Asking<'_>, query: &FileQuery) -> CatalogResult<Page> {
    let wanted = Wanted::new(query);
    let found = match query.sort {
        _ if !wanted.indexed() => asking.all(ACTION, sorted(&wanted, Reach::All)?).await?,
        Sort::CreatedAt | Sort::Relevance => newest::page(asking, &wanted).await?,
        Sort::UpdatedAt | Sort::OriginalFilename | Sort::FileSize => walked(asking, &wanted).await?,
    };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let rows = found.iter().take(limit).map(rows::read).collect::<CatalogResult<Vec<_>>>()?;
    let (total, total_is_minimum) = match query.page {
        PageRequest::Offset(_) => counting::count(asking, &wanted).await?,
        PageRequest::First | PageRequest::After(_) => (None, false),
    };
    Ok(Page { rows, has_more: found.len() > limit, total, total_is_minimum })
}

/// Common words fill a page from a short walk, and what does not is rare enough to be looked up whole.
async fn walked(asking: &mut Asking<'_>, wanted: &Wanted<'_>) -> CatalogResult<Vec<PgRow>> {
    let limit = usize::try_from(wanted.query.limit).unwrap_or(usize::MAX);
    let found = asking.all(ACTION, sorted(wanted, Reach::Walk)?).await?;
    if found.len() > limit { Ok(found) } else { asking.all(ACTION, sorted(wanted, Reach::LookUp)?).await }
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
const WALKED: i64 = 5_000;

fn sorted(wanted: &Wanted<'_>, reach: Reach) -> CatalogResult<QueryBuilder<Postgres>> {
    let mut sql = QueryBuilder::<Postgres>::new(match reach {
        Reach::All | Reach::Walk => concat!("SELECT ", columns!(), " FROM "),
        // Keys alone, so that a sort of many stays in memory.
        Reach::LookUp => {
            "WITH found AS MATERIALIZED (SELECT f.file_id, f.created_at, f.updated_at, f.original_filename, f.file_size \
             FROM "
        }
    });
    match reach {
        Reach::All => {
            sql.push("files AS f WHERE ");
        }
        Reach::Walk => {
            // Nothing is moved into a subquery with a limit, and its order is kept: the walk ends with the page.
            sql.push("(SELECT f.* FROM files AS f WHERE ");
            wanted.shown(&mut sql);
            wanted.after_cursor(&mut sql)?;
            wanted.order_by(&mut sql);
            sql.push(" LIMIT ").push_bind(WALKED).push(") AS f WHERE ");
        }
        Reach::LookUp => {
            wanted.look_up(&mut sql);
            sql.push(" OFFSET 0) AS f WHERE ");
        }
    }
    match reach {
        Reach::All | Reach::Walk => wanted.all(&mut sql),
        Reach::LookUp => {
            wanted.others(&mut sql);
            sql.push("), page AS MATERIALIZED (SELECT f.file_id FROM found AS f WHERE true");
        }
    }
    wanted.after_cursor(&mut sql)?;
    wanted.order_by(&mut sql);
    wanted.limit(&mut sql);
    if reach == Reach::LookUp {
        sql.push(concat!(") SELECT ", columns!(), " FROM page JOIN files AS f ON f.file_id = page.file_id"));
        wanted.order_by(&mut sql);
    }
    Ok(sql)
}
