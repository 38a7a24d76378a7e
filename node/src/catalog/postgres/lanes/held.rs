//! The connection a lane writes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::catalog::postgres::server::{Purpose, Server};
use crate::catalog::{CatalogError, CatalogResult};

/// A connection that nobody has used for so long is asked whether it is still there before it is used.
const TRUSTED: Duration = Duration::from_secs(1);

/// A connection that writes, opened when it is needed, opened anew when the term has changed or it is old.
pub(super) struct Held {
    server: Arc<Server>,
    transactions: Arc<AtomicU64>,
    renamed: watch::Receiver<()>,
    open: Option<Open>,
}

struct Open {
    conn: PgConnection,
    name: String,
    opened: Instant,
    used: Instant,
}

impl Held {
    pub(super) fn new(server: &Arc<Server>, transactions: &Arc<AtomicU64>) -> Self {
        let renamed = server.renamed();
        Self { server: Arc::clone(server), transactions: Arc::clone(transactions), renamed, open: None }
    }

    /// The connection, in the name of the term that runs now.
    pub(super) async fn connection(&mut self) -> CatalogResult<&mut PgConnection> {
        let name = self.server.names().of(Purpose::Write);
        let usable = match self.open.take() {
            Some(open) if open.name == name && open.opened.elapsed() < self.server.options.recycle => alive(open).await,
            Some(open) => {
                let _ = tokio::time::timeout(TRUSTED, open.conn.close()).await;
                None
            }
            None => None,
        };
        let mut open = match usable {
            Some(open) => open,
            None => {
                let conn = self.server.connection(Purpose::Write).await?;
                Open { conn, name, opened: Instant::now(), used: Instant::now() }
            }
        };
        open.used = Instant::now();
        Ok(&mut self.open.insert(open).conn)
    }

    /// Closes the connection when it is not of the running term any more, without waiting until it is needed. Never
    /// returns; may be given up at any moment.
    pub(super) async fn close_of_old_terms(&mut self) {
        while self.renamed.changed().await.is_ok() {
            let name = self.server.names().of(Purpose::Write);
            if let Some(open) = self.open.take_if(|open| open.name != name) {
                let _ = tokio::time::timeout(TRUSTED, open.conn.close()).await;
            }
        }
        std::future::pending().await
    }

    /// Counts what was done. After an error that is not about a row the connection is given up: it may be broken, and
    /// closing it rolls back.
    pub(super) fn done<T>(&mut self, done: CatalogResult<T>) -> CatalogResult<T> {
        match &done {
            Ok(_) => drop(self.transactions.fetch_add(1, Ordering::Relaxed)),
            Err(CatalogError::Refused { .. } | CatalogError::Corrupt { .. }) => {}
            Err(_) => self.open = None,
        }
        done
    }

    pub(super) async fn close(self) {
        if let Some(open) = self.open {
            let _ = tokio::time::timeout(TRUSTED, open.conn.close()).await;
        }
    }
}

async fn alive(mut open: Open) -> Option<Open> {
    if open.used.elapsed() < TRUSTED {
        return Some(open);
    }
    match tokio::time::timeout(TRUSTED, open.conn.ping()).await {
        Ok(Ok(())) => Some(open),
        _ => None,
    }
}

/// Waits for an answer no longer than `limit`: then whether the work was done is not known.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = CatalogResult<T>>) -> CatalogResult<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(CatalogError::Unavailable {
            action: "answer",
            reason: format!("no answer within {} s", limit.as_secs()),
        }),
    }
}
