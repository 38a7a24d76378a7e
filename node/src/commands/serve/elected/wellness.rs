//! Whether a node that holds the Lease is of any use: without catalog or storage it keeps others from being master.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::commands::opening::Rooms;
use crate::election::Role;

/// Watches, while `holding`, over catalog and storage, and tells when one of them has not worked for `patience`.
pub(super) async fn watch_over(
    rooms: Arc<Rooms>,
    mut holding: watch::Receiver<bool>,
    patience: Duration,
    tell: watch::Sender<String>,
    stop: CancellationToken,
) {
    let watch = async {
        while holding.wait_for(|holding| *holding).await.is_ok() {
            let mut working = Instant::now();
            while *holding.borrow() {
                match look(&rooms, patience).await {
                    Ok(()) => working = Instant::now(),
                    Err(reason) if working.elapsed() >= patience => {
                        tell.send_replace(reason);
                        working = Instant::now();
                    }
                    Err(reason) => tracing::warn!(reason, "the holder of the Lease does not work as it is"),
                }
                sleep((patience / 10).clamp(Duration::from_millis(100), Duration::from_secs(1))).await;
            }
        }
    };
    let _ = stop.run_until_cancelled(watch).await;
}

async fn look(rooms: &Rooms, patience: Duration) -> Result<(), String> {
    if let Some(reason) = rooms.storage.broken() {
        return Err(reason);
    }
    // What hangs is as good as gone.
    let limit = (patience / 3).min(Duration::from_secs(3));
    let catalog = async {
        match timeout(limit, rooms.catalog.now()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the catalog does not answer".to_owned()),
        }
    };
    let storage = async {
        match timeout(limit, rooms.storage.probe(rooms.election.role() == Role::Master)).await {
            Ok(Ok(()) | Err(crate::storage::StorageError::Full { .. })) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the storage does not answer".to_owned()),
        }
    };
    let (catalog, storage) = tokio::join!(catalog, storage);
    catalog.and(storage)
}
