//! Connections that read, and how long their answers are waited for.
//!
//! The server ends a statement that takes too long. One whose network is gone without a word tells nobody: without a
//! limit of our own whoever asked would wait until the system gives the connection up, after a quarter of an hour.

use std::time::Duration;

use sqlx::Postgres;
use sqlx::pool::PoolConnection;

use super::PostgresCatalog;
use super::error::said;
use crate::catalog::{CatalogError, CatalogResult};

/// For what a reader of one file waits for: after this the attr file is read instead.
pub(super) const ONE_FILE: Duration = Duration::from_secs(4);
/// For whether the server answers at all.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(4);
/// For everything else: a little more than the server's own limit, whose answer says more.
pub(super) const ANY: Duration = Duration::from_secs(35);

/// Asks on a connection that reads: `on_reader!(catalog, limit, |conn| question(conn))`. One whose answer does not come in
/// time is closed, not given to the next.
macro_rules! on_reader {
    ($catalog:expr, $limit:expr, |$conn:ident| $question:expr) => {{
        let limit: std::time::Duration = $limit;
        let mut held = $catalog.reader(limit).await?;
        let answer = {
            let $conn = &mut *held;
            tokio::time::timeout(limit, $question).await
        };
        match answer {
            Ok(answer) => answer,
            Err(_) => {
                held.close_on_drop();
                Err($crate::catalog::postgres::reading::no_answer(limit))
            }
        }
    }};
}
pub(super) use on_reader;

impl PostgresCatalog {
    /// A connection that reads, if there is one in time.
    pub(super) async fn reader(&self, limit: Duration) -> CatalogResult<PoolConnection<Postgres>> {
        match tokio::time::timeout(limit, self.readers.acquire()).await {
            Ok(acquired) => acquired.map_err(said("be read")),
            Err(_) => Err(no_answer(limit)),
        }
    }
}

pub(super) fn no_answer(limit: Duration) -> CatalogError {
    CatalogError::Unavailable { action: "be read", reason: format!("no answer within {} s", limit.as_secs()) }
}
