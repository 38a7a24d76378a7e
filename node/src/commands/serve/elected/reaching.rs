//! Reaching storage, catalog and API server: waited for, as a standby waits for everything.

use std::sync::Arc;
use std::time::Duration;

use super::candidacy::Candidate;
use crate::catalog::CatalogError;
use crate::commands::opening::{Locked, OpeningError, Rooms};
use crate::commands::serve::Process;
use crate::commands::{CommandError, database, place};
use crate::election::Mastership;
use crate::election::lease::LeaseElection;
use crate::storage::StorageError;

const PAUSE: Duration = Duration::from_secs(1);

/// What was reached.
pub(super) struct Reached {
    pub(super) rooms: Arc<Rooms>,
    pub(super) election: Arc<LeaseElection>,
    pub(super) candidate: Candidate,
    pub(super) shared: database::Shared,
}

/// Opens storage and catalog, and finds out where the API server is.
///
/// # Errors
/// What will not pass by waiting.
pub(super) async fn reach(process: &Process<'_>) -> Result<Reached, CommandError> {
    let candidate = Candidate::new(&process.config.election).await?;
    let election = Arc::new(LeaseElection::new(candidate.node().to_owned(), Mastership::default()));
    loop {
        match open(process, &election).await {
            Ok((rooms, shared)) => return Ok(Reached { rooms, election, candidate, shared }),
            Err(error) if passes(&error) => {
                tracing::warn!(%error, "storage or catalog cannot be opened yet: they are tried again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn open(
    process: &Process<'_>,
    election: &Arc<LeaseElection>,
) -> Result<(Arc<Rooms>, database::Shared), OpeningError> {
    let (storage, guard) = place::open(process.config).await?;
    let (catalog, shared) = database::share(process.config, storage.as_ref(), guard.file()).await?;
    let locked = Locked { storage, catalog, election: Arc::clone(election) as Arc<dyn crate::election::Election> };
    Ok((Arc::new(Rooms::new(locked, &process.metrics)), shared))
}

/// Whether waiting may help.
fn passes(error: &OpeningError) -> bool {
    match error {
        OpeningError::Storage(error) => !matches!(error, StorageError::Locked { .. }),
        error => matches!(error, OpeningError::Catalog(CatalogError::Unavailable { .. })),
    }
}
