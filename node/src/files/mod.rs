//! What happens to files: upload, update, delete, read, search.
//!
//! The write protocol is here, and only here: intent, data, attr, cache, commit. This room knows no HTTP and no SQL.

mod announced;
mod change;
mod error;
mod merge_patch;
mod outage;
mod protocol;
mod reading;
mod request;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use error::{FileError, FileResult};
pub use request::{Patch, RetentionWish, UploadFields};
pub use upload::{Upload, UploadStart};

use crate::catalog::{CatalogResult, SharedCatalog};
use crate::election::Election;
use crate::element::{Closed, Element, Pass};
use crate::model::{Attr, FileIds};
use crate::settling::{KeyLocks, Live, Settler};
use crate::storage::SharedStorage;
use crate::telemetry::metrics::Metrics;

/// Judges a file's current state before it is changed or read (RFC 9110 preconditions), under the file's lock.
pub type Precheck<'a> = &'a (dyn Fn(&Attr) -> FileResult<()> + Send + Sync);

/// Limits of operations on files.
#[derive(Clone, Copy, Debug)]
pub struct FileLimits {
    /// The largest file, in bytes; `None` is without limit.
    pub file_bytes: Option<u64>,
    /// Uploads at once.
    pub concurrent_uploads: usize,
    /// How long a row of the catalog is believed without a look at its attr, in `edit` and `rw`.
    pub row_ttl: Duration,
    /// The same in `ro` and `ar`.
    pub row_ttl_sealed: Duration,
}

/// What operations on files work with.
pub struct FilesParts {
    /// Where the bytes are.
    pub storage: SharedStorage,
    /// The catalog.
    pub catalog: SharedCatalog,
    /// Who may write.
    pub election: Arc<dyn Election>,
    /// The element.
    pub element: Arc<Element>,
    /// Which transactions have an owner.
    pub live: Arc<Live>,
    /// One writer for each file.
    pub locks: Arc<KeyLocks<Uuid>>,
    /// What ends an operation that failed after its intent.
    pub settler: Settler,
    /// Where ids come from.
    pub ids: FileIds,
    /// The limits.
    pub limits: FileLimits,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The operations on files.
#[derive(Clone)]
pub struct Files {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    storage: SharedStorage,
    catalog: SharedCatalog,
    election: Arc<dyn Election>,
    element: Arc<Element>,
    live: Arc<Live>,
    locks: Arc<KeyLocks<Uuid>>,
    keys: KeyLocks<(String, String)>,
    settler: Settler,
    ids: FileIds,
    limits: FileLimits,
    metrics: Arc<Metrics>,
    uploads: Arc<Semaphore>,
    /// Operations past their intent: they end even when their client has gone.
    running: TaskTracker,
}

impl Files {
    /// Operations on files over these parts.
    pub fn new(parts: FilesParts) -> Self {
        let inner = Inner {
            storage: parts.storage,
            catalog: parts.catalog,
            election: parts.election,
            element: parts.element,
            live: parts.live,
            locks: parts.locks,
            keys: KeyLocks::default(),
            settler: parts.settler,
            ids: parts.ids,
            uploads: Arc::new(Semaphore::new(parts.limits.concurrent_uploads.min(Semaphore::MAX_PERMITS))),
            limits: parts.limits,
            metrics: parts.metrics,
            running: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Gives no id at or below the highest one the catalog knows. For after a rebuild: before it, a catalog that was made
    /// anew knew of none.
    pub async fn raise_ids(&self) -> CatalogResult<()> {
        if let Some(highest) = self.inner.catalog.highest_file_id().await? {
            self.inner.ids.raise_to(highest);
        }
        Ok(())
    }

    /// Returns when every operation past its intent has ended. Nothing may be begun any more.
    pub async fn drained(&self) {
        self.inner.running.close();
        self.inner.running.wait().await;
    }
}

impl Inner {
    /// Lets a write in, or says why not. The mode is asked first: it is the answer that does not pass by itself.
    fn enter(&self, operation: storage_element_crds::Operation) -> FileResult<Pass> {
        let mode = self.element.mode();
        if !mode.allows(operation) {
            return Err(FileError::ModeNotAllowed { mode, operation });
        }
        if let Some(reason) = self.storage.broken() {
            return Err(FileError::StorageUnavailable(reason));
        }
        let pass = self.element.gate().enter().map_err(closed)?;
        // A process that was frozen may not have noticed yet that its time is over.
        match self.election.check() {
            Ok(()) => Ok(pass),
            Err(lost) => Err(FileError::NotMaster(lost.0)),
        }
    }
}

/// Why the gate is closed, as an answer.
fn closed(reason: Closed) -> FileError {
    match reason {
        Closed::Recovering(why) => FileError::Recovering(why),
        Closed::NotMaster(why) => FileError::NotMaster(why),
        Closed::Transition => FileError::TransitionInProgress,
        Closed::Stopping => FileError::NotMaster("it is stopping".to_owned()),
        Closed::StorageBroken(why) => FileError::StorageUnavailable(why),
    }
}
