//! News of the singleton row: the database tells all nodes when one of them has changed it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::error::said;
use super::server::Server;
use crate::catalog::CatalogResult;

/// How long to wait after the news could not be had: whoever asks looks by itself meanwhile.
const PAUSE: Duration = Duration::from_secs(5);

/// A connection that listens, once somebody has asked.
#[derive(Default)]
pub(super) struct Changes {
    listening: Mutex<Option<Listening>>,
}

struct Listening {
    listener: PgListener,
    element: Uuid,
}

impl Changes {
    /// Returns when there are news, or when it has begun to listen: there may have been some before.
    pub(super) async fn next(&self, server: &Arc<Server>) {
        // A pooler in transaction mode delivers nothing.
        let Some(element) = server.element().filter(|_| !server.pooled()) else {
            return std::future::pending().await;
        };
        let mut listening = self.listening.lock().await;
        // Taken out while it is waited for: a wait that is given up in the middle leaves nothing half read behind.
        let heard = match listening.take().filter(|listening| listening.element == element) {
            Some(mut listening) => listening.listener.recv().await.map(|_| listening),
            None => listen(server, element).await.map(|listener| Listening { listener, element }),
        };
        match heard {
            Ok(open) => *listening = Some(open),
            Err(error) => {
                tracing::debug!(%error, "the database's news cannot be had: the element's row is looked at every second");
                drop(listening);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn listen(server: &Arc<Server>, element: Uuid) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(server.options.acquire_timeout)
        .connect_with(server.reading())
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(&channel(element)).await?;
    Ok(listener)
}

/// As [`tell`] calls it.
fn channel(element: Uuid) -> String {
    format!("storage_element_{}", element.simple())
}

/// Tells all nodes of the element that its row has changed, once the transaction is committed.
pub(super) async fn tell(conn: &mut PgConnection) -> CatalogResult<()> {
    sqlx::query(
        "SELECT pg_notify('storage_element_' || replace(element_id::text, '-', ''), epoch::text) FROM config WHERE id = 1",
    )
    .execute(conn)
    .await
    .map(drop)
    .map_err(said("tell of a change"))
}
