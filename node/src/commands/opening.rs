//! Opening an element: locks, storage, catalog, takeover, settling, and the rebuild that may be due.

use std::io::ErrorKind;
use std::sync::Arc;

use storage_element_crds::Mode;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::database;
use super::place::{self, Guard};
use crate::catalog::{CatalogError, SharedCatalog};
use crate::config::Config;
use crate::election::Election;
use crate::election::claim::{Pace, StorageClaim};
use crate::element::{Adoption, CapacityRules, Element, ElementFile, ElementParts, Missing, RetentionRules, Threshold};
use crate::failpoint;
use crate::files::{FileLimits, Files, FilesParts};
use crate::jobs::{self, JobError, Progress, RebuildReport};
use crate::model::{Epoch, FileIds, Term};
use crate::settling::{KeyLocks, Live, SettleError, Settler, Successor, TakenOver, TakeoverError, take_over};
use crate::storage::{SharedStorage, StorageError};
use crate::telemetry::metrics::Metrics;

/// Why an element could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpeningError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Takeover(#[from] TakeoverError),
    #[error("interrupted operations could not be settled: {0}")]
    Settle(#[from] SettleError),
    #[error("the catalog could not be made again: {0}")]
    Rebuild(#[from] JobError),
    #[error(transparent)]
    Injected(#[from] std::io::Error),
}

impl OpeningError {
    /// The part on a server that cannot be reached now, if that is all: it may come back, and it is worth to wait.
    pub(super) fn missing(&self, config: &Config) -> Option<Missing> {
        let catalog = |error: &CatalogError| {
            let away = matches!(error, CatalogError::Unavailable { .. }) && config.database.postgres.is_some();
            away.then(|| Missing::Database(error.to_string()))
        };
        let storage = |error: &StorageError| {
            let away = matches!(error, StorageError::Io { source, .. } if source.kind() == ErrorKind::NotConnected)
                && config.storage.s3.is_some();
            away.then(|| Missing::Storage(error.to_string()))
        };
        match self {
            Self::Catalog(error)
            | Self::Takeover(TakeoverError::Catalog(error))
            | Self::Settle(SettleError::Catalog(error)) => catalog(error),
            Self::Storage(error)
            | Self::Takeover(TakeoverError::Storage(error))
            | Self::Settle(SettleError::Storage(error)) => storage(error),
            _ => None,
        }
    }
}

/// Storage and catalog of one element, locked for this process.
pub(super) struct Locked {
    pub(super) storage: SharedStorage,
    pub(super) catalog: SharedCatalog,
    pub(super) election: Arc<dyn Election>,
}

/// What a process serves an element with, in whatever term.
pub(super) struct Rooms {
    pub(super) storage: SharedStorage,
    pub(super) catalog: SharedCatalog,
    pub(super) election: Arc<dyn Election>,
    pub(super) settler: Settler,
    pub(super) live: Arc<Live>,
    pub(super) locks: Arc<KeyLocks<Uuid>>,
}

/// An element whose term has begun and whose interrupted operations are settled.
pub(super) struct Opened {
    pub(super) rooms: Arc<Rooms>,
    pub(super) taken_over: TakenOver,
}

/// By which right a term begins.
pub(super) struct Claim {
    pub(super) adoption: Adoption,
    /// What the epoch has to be above.
    pub(super) above: Epoch,
}

/// Takes the locks, then opens storage and catalog. The catalog's schema is not looked at yet.
pub(super) async fn lock(config: &Config) -> Result<Locked, OpeningError> {
    let (storage, guard) = place::open(config).await?;
    let (catalog, mut election) = database::lock(config, storage.as_ref(), guard.file()).await?;
    if let Guard::Claim(place) = guard {
        // After the catalog's lock: with that, whoever had it before is known to be gone.
        let catalog = database::digest(config);
        let claim = StorageClaim::stand(place, &election.holder(), &catalog, Pace::default()).await?;
        election = election.with_remote(Box::new(claim));
    }
    Ok(Locked { storage, catalog, election: Arc::new(election) })
}

/// Begins a term and settles what was interrupted. The rebuild that may be due is the caller's.
pub(super) async fn open(config: &Config, locked: Locked, metrics: &Arc<Metrics>) -> Result<Opened, OpeningError> {
    let rooms = Arc::new(Rooms::new(locked, metrics));
    let taken_over = rooms.begin_term(config, Claim { adoption: Adoption::Always, above: 0 }).await?;
    rooms.settle(&taken_over).await?;
    Ok(Opened { rooms, taken_over })
}

impl Opened {
    /// The running term.
    pub(super) const fn term(&self) -> Term {
        self.taken_over.term
    }

    /// Makes the catalog again from the attr files.
    pub(super) async fn rebuild(
        &self,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<RebuildReport, JobError> {
        self.rooms.rebuild(self.term(), progress, cancel).await
    }
}

impl Rooms {
    pub(super) fn new(locked: Locked, metrics: &Arc<Metrics>) -> Self {
        let Locked { storage, catalog, election } = locked;
        let (live, locks) = (Arc::new(Live::default()), Arc::new(KeyLocks::default()));
        let settler = Settler::new(
            Arc::clone(&storage),
            Arc::clone(&catalog),
            Arc::clone(&live),
            Arc::clone(&locks),
            Arc::clone(metrics),
        );
        Self { storage, catalog, election, settler, live, locks }
    }

    /// Begins a term: from here on nobody else writes, and nothing is settled yet. May be broken off anywhere: the next
    /// one does it again.
    pub(super) async fn begin_term(&self, config: &Config, claim: Claim) -> Result<TakenOver, OpeningError> {
        self.catalog.migrate().await?;
        let successor = Successor {
            holder: self.election.holder(),
            address: config.peer.as_ref().map(|peer| peer.advertise.clone()),
            above: claim.above,
            initial_mode: config.element.mode.unwrap_or(Mode::Edit),
            expected_id: config.element.id,
            adoption: claim.adoption,
        };
        let taken_over = take_over(self.storage.as_ref(), self.catalog.as_ref(), &successor).await?;
        tracing::info!(
            element_id = %taken_over.file.element_id,
            mode = %taken_over.file.mode,
            epoch = taken_over.term.epoch,
            storage = self.storage.place(),
            "a term has begun"
        );
        // Nobody else is master: whoever ran them is gone.
        let interrupted = self.catalog.interrupt_jobs(None).await?;
        if interrupted > 0 {
            tracing::warn!(interrupted, "jobs of an earlier process had not ended: start them again");
        }
        Ok(taken_over)
    }

    /// Settles what was interrupted, before the first write of a term.
    pub(super) async fn settle(&self, taken_over: &TakenOver) -> Result<(), OpeningError> {
        let round = self.settler.round(taken_over.term).await?;
        tracing::info!(?round, "interrupted operations are settled");
        failpoint::hit("takeover.after_settling")?;
        if taken_over.file.mode.is_writable() {
            self.settler.empty_trash(round).await?;
        }
        failpoint::hit("takeover.after_empty_trash")?;
        Ok(())
    }

    /// Makes the catalog again from the attr files.
    pub(super) async fn rebuild(
        &self,
        term: Term,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<RebuildReport, JobError> {
        jobs::rebuild(&self.storage, &self.catalog, &self.locks, term, Uuid::new_v4(), progress, cancel).await
    }

    /// The element, its gate still closed, and the operations on its files. `term` is the one that has begun here.
    pub(super) async fn serve(
        &self,
        config: &Config,
        metrics: &Arc<Metrics>,
        file: ElementFile,
        term: Option<Term>,
    ) -> Result<(Arc<Element>, Files), OpeningError> {
        let parts = ElementParts {
            storage: Arc::clone(&self.storage),
            catalog: Arc::clone(&self.catalog),
            election: Arc::clone(&self.election),
            configured_mode: config.compared_mode(),
            rules: rules(config),
            retention: RetentionRules {
                minimum_days: config.retention.minimum_days,
                time_to_live_days: config.retention.time_to_live_days,
                deleted_grace: config.retention.deleted_grace,
            },
        };
        let element = Arc::new(Element::new(parts, file, term));
        let ids = FileIds::default();
        if let Some(highest) = self.catalog.highest_file_id().await? {
            ids.raise_to(highest);
        }
        let files = Files::new(FilesParts {
            storage: Arc::clone(&self.storage),
            catalog: Arc::clone(&self.catalog),
            election: Arc::clone(&self.election),
            element: Arc::clone(&element),
            live: Arc::clone(&self.live),
            locks: Arc::clone(&self.locks),
            settler: self.settler.clone(),
            ids,
            limits: FileLimits {
                file_bytes: config.limits.file_bytes,
                concurrent_uploads: config.limits.concurrent_uploads,
                row_ttl: config.cache.ttl,
                row_ttl_sealed: config.cache.ttl_sealed,
            },
            metrics: Arc::clone(metrics),
        });
        Ok((element, files))
    }
}

fn rules(config: &Config) -> CapacityRules {
    let capacity = &config.capacity;
    CapacityRules {
        quota_bytes: capacity.quota_bytes,
        warning: Threshold { percent: capacity.warning_percent, bytes: capacity.warning_bytes, most_percent: 20.0 },
        critical: Threshold { percent: capacity.critical_percent, bytes: capacity.critical_bytes, most_percent: 10.0 },
        full: Threshold { percent: capacity.full_percent, bytes: capacity.full_bytes, most_percent: 5.0 },
        critical_max_file_bytes: capacity.critical_max_file_bytes,
    }
}
