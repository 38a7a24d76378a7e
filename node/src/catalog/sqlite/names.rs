//! Files by a part of their name: whether the index of names leads, or each name is looked at.
//!
//! A part that is in many names is soon found by looking at names in the order that is asked for, and the index would
//! bring all that have it; a rare one is in the index at once.

use sqlx::SqlitePool;

use super::error::said;
use super::list::ACTION;
use crate::catalog::CatalogResult;
use crate::catalog::exact::lower;

/// Characters of a run; see the migrations.
const RUN: usize = 3;
/// Names with a part among the newest thousand that make it a common one.
const COMMON: i64 = 50;
/// Names that are brought by the index at most, to be sorted.
const FEW: i64 = 20_000;
/// The same where each has to be looked for in the index of words.
const FEW_TO_MATCH: i64 = 500;

/// The expression that finds names with this part, and maybe others.
fn expression(part: &str) -> String {
    let characters: Vec<char> = part.chars().collect();
    let token = |run: &[char]| format!("\"{}\"", hex::encode_upper(run.iter().collect::<String>()));
    if characters.len() < RUN {
        return token(&characters) + "*";
    }
    // Those that overlap say little more, and each has to be looked up.
    let mut runs: Vec<String> = characters.chunks_exact(RUN).map(token).collect();
    runs.extend(characters.len().checked_sub(RUN).and_then(|last| characters.get(last..)).map(token));
    runs.dedup();
    runs.join(" AND ")
}

/// The expression to look a part up with, if that is the better way. `streams`: names come from the index in the order
/// that is asked for, so that no more are looked at than a page takes; `matched`: each has to match a text besides.
pub(super) async fn look_up(
    pool: &SqlitePool,
    part: Option<&str>,
    streams: bool,
    matched: bool,
) -> CatalogResult<Option<String>> {
    let part = part.map(lower).unwrap_or_default();
    if part.is_empty() {
        return Ok(None);
    }
    let expression = expression(&part);
    if streams && part.chars().count() >= RUN {
        return Ok(Some(expression));
    }
    let common: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT name_lower FROM files ORDER BY seq DESC LIMIT 1000) WHERE instr(name_lower, ?1) > 0",
    )
    .bind(&part)
    .fetch_one(pool)
    .await
    .map_err(said(ACTION))?;
    if common > COMMON {
        return Ok(None);
    }
    let few = if matched { FEW_TO_MATCH } else { FEW };
    let found: i64 =
        sqlx::query_scalar("SELECT count(*) FROM (SELECT rowid FROM files_names WHERE files_names MATCH ?1 LIMIT ?2)")
            .bind(&expression)
            .bind(few + 1)
            .fetch_one(pool)
            .await
            .map_err(said(ACTION))?;
    Ok((streams || found <= few).then_some(expression))
}

#[cfg(test)]
mod tests {
    use super::expression;

    #[test]
    fn a_part_is_covered_by_its_runs() {
        assert_eq!(expression("a"), "\"61\"*");
        assert_eq!(expression("я\""), "\"D18F22\"*");
        assert_eq!(expression("abc"), "\"616263\"");
        assert_eq!(expression("abcd"), "\"616263\" AND \"626364\"");
        assert_eq!(expression("abcdef"), "\"616263\" AND \"646566\"");
    }
}
