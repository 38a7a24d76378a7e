//! What sessions are called, so that a successor can end those of the master before it.
//!
//! Source of the rules: the product specification, `10-node`, section Fencing.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::error::said;
use super::server::Purpose;
use crate::catalog::{CatalogError, CatalogResult};
use crate::model::{Nonce, Term};

/// How long sessions that were told to end may take. One that waits for a disk ends when the disk answers.
const ENDING_LIMIT: Duration = Duration::from_secs(20);
const ENDING_POLL: Duration = Duration::from_millis(20);

/// The names of this process's sessions.
#[derive(Clone, Debug)]
pub(super) struct Names {
    element: Option<Uuid>,
    term: Option<Term>,
    /// Tells the sessions that write before the term begins from those of other processes.
    process: Nonce,
}

impl Default for Names {
    fn default() -> Self {
        Self { element: None, term: None, process: Nonce::fresh() }
    }
}

impl Names {
    pub(super) fn of_element(&self, element: Uuid) -> Self {
        Self { element: Some(element), ..self.clone() }
    }

    pub(super) fn of_no_term(&self) -> Self {
        Self { term: None, ..self.clone() }
    }

    pub(super) fn of_term(&self, element: Uuid, term: Term) -> Self {
        Self { element: Some(element), term: Some(term), process: self.process }
    }

    pub(super) const fn element(&self) -> Option<Uuid> {
        self.element
    }

    /// The name, of at most 63 bytes: PostgreSQL cuts off the rest.
    pub(super) fn of(&self, purpose: Purpose) -> String {
        let element = self.element.map(|element| element.simple().to_string()).unwrap_or_default();
        match (purpose, self.term) {
            (Purpose::Read, _) => format!("se-read:{element}"),
            (Purpose::Lock, _) => format!("se-lock:{element}"),
            // A session that writes is opened after the epoch has been raised; before, there is only the one that
            // brings the schema up to date and raises it.
            (Purpose::Write, None) => format!("se-start:{element}:{}", self.process),
            (Purpose::Write, Some(Term { epoch, nonce })) => format!("se:{element}:{epoch}:{nonce}"),
        }
    }
}

/// Ends the sessions in which anybody else writes to this element, and waits until they are gone: what they had not
/// committed is rolled back, what they had locked is free.
pub(super) async fn end_others(conn: &mut PgConnection, element: Uuid, own: &str) -> CatalogResult<u64> {
    const ACTION: &str = "end the sessions of an older term";
    let element = element.simple().to_string();
    let began = tokio::time::Instant::now();
    let mut ended = 0;
    loop {
        // A transaction goes on seeing the sessions it has seen once.
        sqlx::query("SELECT pg_stat_clear_snapshot()").execute(&mut *conn).await.map_err(said(ACTION))?;
        let left: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
             AND (starts_with(application_name, 'se:' || $1 || ':') \
              OR starts_with(application_name, 'se-start:' || $1 || ':')) \
             AND application_name <> $2 AND pid <> pg_backend_pid()",
        )
        .bind(&element)
        .bind(own)
        .fetch_one(&mut *conn)
        .await
        .map_err(said(ACTION))?;
        let left = left.unsigned_abs();
        if left == 0 {
            return Ok(ended);
        }
        ended = ended.max(left);
        if began.elapsed() > ENDING_LIMIT {
            let reason = format!("{left} of them are still there after {} s", ENDING_LIMIT.as_secs());
            return Err(CatalogError::Unavailable { action: ACTION, reason });
        }
        tokio::time::sleep(ENDING_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Names;
    use crate::catalog::postgres::server::Purpose;
    use crate::model::{Nonce, Term};

    #[test]
    fn names_fit_and_name_element_epoch_and_nonce() {
        let term = Term { epoch: 9_999_999_999, nonce: Nonce::fresh() };
        let names = Names::default().of_element(Uuid::max());
        for purpose in [Purpose::Read, Purpose::Lock, Purpose::Write] {
            assert!(names.of(purpose).len() <= 63, "{}", names.of(purpose));
        }
        let name = names.of_term(Uuid::max(), term).of(Purpose::Write);
        assert_eq!(name, format!("se:ffffffffffffffffffffffffffffffff:9999999999:{}", term.nonce));
        assert!(name.len() <= 63, "{name}");
    }
}
