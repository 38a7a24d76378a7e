//! What was left behind by an interrupted operation: decide, then act; and the takeover that begins a term.

mod act;
mod decide;
mod live;
mod takeover;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use act::Settled;
pub use live::{KeyGuard, KeyLocks, Live, Owned};
pub use takeover::{Successor, TakenOver, TakeoverError, take_over};

use crate::catalog::{CatalogError, SharedCatalog, WalQuery};
use crate::model::{Term, TransactionId, WalRow, WalStatus};
use crate::storage::{SharedStorage, StorageError};
use crate::telemetry::metrics::Metrics;

/// Rows settled side by side.
const WIDTH: usize = 32;
/// Rows read from the catalog at once.
const PAGE: u32 = 512;
/// How often rows without a living owner are looked for.
const INTERVAL: Duration = Duration::from_secs(10);

/// Why a transaction could not be settled now.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// There is no such transaction (404).
    #[error("there is no transaction {0}")]
    NotFound(TransactionId),
    /// This node may not settle now (503).
    #[error("{0}")]
    NotNow(String),
    /// This node is in no term of its own (503).
    #[error("this node is not the master: only the master settles")]
    NotMaster,
    /// The catalog does not answer (503).
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The storage does not answer (503).
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What one round of settling came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Transactions that had happened.
    pub redone: u64,
    /// Transactions that had not.
    pub undone: u64,
    /// Transactions that could not be told.
    pub cannot_tell: u64,
    /// Transactions that could not be looked at: catalog or storage did not answer.
    pub failed: u64,
}

impl Round {
    /// Whether nothing is left open.
    pub const fn is_clean(self) -> bool {
        self.cannot_tell == 0 && self.failed == 0
    }
}

/// Settles interrupted operations: at start, at takeover, after an outage, and every 10 s.
#[derive(Clone)]
pub struct Settler {
    storage: SharedStorage,
    catalog: SharedCatalog,
    live: Arc<Live>,
    files: Arc<KeyLocks<Uuid>>,
    metrics: Arc<Metrics>,
    /// What older terms had staged is still kept.
    trash_kept: Arc<AtomicBool>,
}

impl Settler {
    /// A settler over these parts; `live` and `files` are those that operations use.
    pub fn new(
        storage: SharedStorage,
        catalog: SharedCatalog,
        live: Arc<Live>,
        files: Arc<KeyLocks<Uuid>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { storage, catalog, live, files, metrics, trash_kept: Arc::new(AtomicBool::new(true)) }
    }

    /// Settles every open transaction on a file that no live operation owns.
    pub async fn round(&self, term: Term) -> Result<Round, SettleError> {
        let mut round = Round::default();
        let mut query = WalQuery {
            statuses: vec![WalStatus::Pending, WalStatus::Failed],
            files_only: true,
            after: None,
            limit: PAGE,
        };
        loop {
            let rows = self.catalog.wal(&query).await?;
            let Some(last) = rows.last() else { return Ok(round) };
            query.after = Some((last.started_at, last.transaction_id));
            let outcomes = stream::iter(rows).map(|row| self.settle_unowned(term, row)).buffer_unordered(WIDTH);
            let outcomes: Vec<_> = outcomes.collect().await;
            for outcome in outcomes {
                match outcome {
                    Ok(Some(Settled::Redone)) => round.redone += 1,
                    Ok(Some(Settled::Undone)) => round.undone += 1,
                    Ok(Some(Settled::CannotTell(_))) => round.cannot_tell += 1,
                    Ok(None) => {}
                    Ok(Some(Settled::TermOver)) => {
                        return Err(SettleError::NotNow(format!("term {term} is over: its successor settles")));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a transaction could not be settled now; it is tried again");
                        round.failed += 1;
                    }
                }
            }
        }
    }

    /// Settles `tx` right after its operation has failed in this term: the operation has ended and its owner waits.
    pub async fn settle_ended(&self, term: Term, row: &WalRow) -> Result<Settled, SettleError> {
        self.settle(term, row).await
    }

    /// Tries to settle one PENDING or FAILED transaction now; the row as it stands afterwards.
    pub async fn retry(&self, term: Term, tx: TransactionId) -> Result<WalRow, SettleError> {
        let row = self.catalog.wal_row(tx).await?.ok_or(SettleError::NotFound(tx))?;
        if self.live.owns(tx) {
            return Err(SettleError::NotNow(format!("transaction {tx} is still being worked on: ask again shortly")));
        }
        if row.file_id.is_some() && matches!(row.status, WalStatus::Pending | WalStatus::Failed) {
            self.settle_unowned(term, row).await?;
        }
        self.catalog.wal_row(tx).await?.ok_or(SettleError::NotFound(tx))
    }

    /// Removes what older terms had staged, once no transaction can need it any more.
    pub async fn empty_trash(&self, round: Round) -> Result<(), StorageError> {
        if round.is_clean() && self.trash_kept.load(Ordering::Acquire) {
            self.storage.empty_trash().await?;
            self.trash_kept.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Looks for rows without a living owner until told to stop. `term` says in which term, or that it may not now.
    pub async fn run(&self, term: impl Fn() -> Option<Term> + Send, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            let Some(term) = term() else { continue };
            match self.round(term).await {
                Ok(round) => {
                    if round != Round::default() {
                        tracing::info!(?round, "settled transactions whose operation had ended");
                    }
                    if let Err(error) = self.empty_trash(round).await {
                        tracing::warn!(%error, "what older terms had staged stays for now");
                    }
                }
                Err(error) => tracing::warn!(%error, "settling has to wait"),
            }
        }
    }

    async fn settle_unowned(&self, term: Term, row: WalRow) -> Result<Option<Settled>, SettleError> {
        if let Some(reason) = self.storage.broken() {
            return Err(SettleError::NotNow(reason));
        }
        let Some(file_id) = row.file_id else { return Ok(None) };
        // Its owner holds the file's lock, perhaps for as long as the catalog is away: not waited for.
        if self.live.owns(row.transaction_id) {
            return Ok(None);
        }
        let _lock = self.files.lock(file_id).await;
        if self.live.owns(row.transaction_id) {
            return Ok(None);
        }
        // Its owner may have closed it between the listing and the lock.
        match self.catalog.wal_row(row.transaction_id).await? {
            Some(row) if matches!(row.status, WalStatus::Pending | WalStatus::Failed) => {
                self.settle(term, &row).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::Map;
    use uuid::Uuid;

    use crate::model::{ATTR_SCHEMA_VERSION, Attr, FileIds, FileStatus, Timestamp, storage_filename};

    /// Some description, for tables.
    pub(crate) fn attr() -> Attr {
        let file_id = FileIds::default().next();
        let name = storage_filename("a.txt", "u", file_id);
        let now = Timestamp::now();
        Attr {
            schema_version: ATTR_SCHEMA_VERSION,
            file_id,
            original_filename: "a.txt".to_owned(),
            storage_filename: name.storage_filename,
            storage_path: name.storage_path,
            file_size: 10,
            content_type: "text/plain".to_owned(),
            checksum: "0".repeat(64),
            created_at: now,
            updated_at: now,
            created_by_id: "u".to_owned(),
            created_by_username: "u".to_owned(),
            created_by_fullname: None,
            description: None,
            version: None,
            tags: Vec::new(),
            metadata: Map::new(),
            revision: 1,
            status: FileStatus::Active,
            deleted_at: None,
            retention_until: None,
            legal_hold: false,
            idempotency_key: None,
            epoch: 1,
            tx: Uuid::new_v4(),
            write_id: Uuid::new_v4(),
            unknown: Map::new(),
        }
    }
}
