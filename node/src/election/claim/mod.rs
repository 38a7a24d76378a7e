//! A claim on a storage that no system's lock reaches: two processes with two catalogs have nothing else in common.
//!
//! Whoever serves such a storage says so there every two seconds. Whoever comes with another catalog watches for seven
//! whether somebody still does, and is refused then. A claim that was not renewed for so long, for its process is gone or
//! stopped, is taken over by a conditional write; its process, should it wake up, finds its next renewal refused, and
//! ends. Until then it can still reach its commit points, which are conditional writes too: nothing is overwritten.

mod record;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::record::{Record, has_to_be_watched, holder};
use super::RemoteLock;
use crate::storage::{ClaimPlace, Claimed, Replaced, StorageError, StorageResult};

/// How often a claim is renewed, and how long one is watched.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two renewals.
    pub renewal: Duration,
    /// Without a renewal a claim stands no longer.
    pub watched: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { renewal: Duration::from_secs(2), watched: Duration::from_secs(7) }
    }
}

/// How long a release may take at the end of a process.
const RELEASE_PATIENCE: Duration = Duration::from_secs(3);

/// A claim that is renewed for as long as this value lives.
pub struct StorageClaim {
    lost: watch::Receiver<Option<String>>,
    release: CancellationToken,
    renewing: Mutex<Option<JoinHandle<()>>>,
}

impl StorageClaim {
    /// Claims the storage for a process that holds the lock of `catalog`, a digest of where that is.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process serves it.
    pub async fn stand(place: Arc<dyn ClaimPlace>, process: &str, catalog: &str, pace: Pace) -> StorageResult<Self> {
        let mut record = Record::new(process, catalog);
        let found = place.look().await?;
        let seen = if has_to_be_watched(found.as_ref(), catalog) {
            watch_over(place.as_ref(), found, catalog, pace).await?
        } else {
            found
        };
        let bytes = record.next().map_err(|error| unwritable(place.as_ref(), error))?;
        let standing = match place.replace(seen.as_ref(), bytes).await? {
            Replaced::Done(claimed) => claimed,
            Replaced::Otherwise(found) => return Err(locked(place.as_ref(), found.as_ref())),
        };
        let (tell, lost) = watch::channel(None);
        let release = CancellationToken::new();
        let renewal = Renewal { place, record, standing: Some(standing), pace };
        let renewing = tokio::spawn(renewal.run(tell, release.clone()));
        Ok(Self { lost, release, renewing: Mutex::new(Some(renewing)) })
    }
}

/// Waits until nobody can be alive behind the claim that was found; what stands there then.
async fn watch_over(
    place: &dyn ClaimPlace,
    found: Option<Claimed>,
    catalog: &str,
    pace: Pace,
) -> StorageResult<Option<Claimed>> {
    tracing::info!(
        claim = place.name(),
        seconds = pace.watched.as_secs(),
        "this storage was claimed {} and not released: is it still served?",
        holder(found.as_ref())
    );
    let began = Instant::now();
    while began.elapsed() < pace.watched {
        sleep(pace.renewal / 2).await;
        let now = place.look().await?;
        if now != found {
            if has_to_be_watched(now.as_ref(), catalog) {
                return Err(locked(place, now.as_ref()));
            }
            return Ok(now);
        }
    }
    Ok(found)
}

fn locked(place: &dyn ClaimPlace, found: Option<&Claimed>) -> StorageError {
    StorageError::Locked { path: place.name(), holder: holder(found) }
}

fn unwritable(place: &dyn ClaimPlace, error: serde_json::Error) -> StorageError {
    StorageError::Io { action: "write", path: place.name(), source: error.into() }
}

struct Renewal {
    place: Arc<dyn ClaimPlace>,
    record: Record,
    /// As last written or seen; `None` when somebody has removed it.
    standing: Option<Claimed>,
    pace: Pace,
}

impl Renewal {
    async fn run(mut self, tell: watch::Sender<Option<String>>, release: CancellationToken) {
        loop {
            tokio::select! {
                () = release.cancelled() => break,
                () = sleep(self.pace.renewal) => {}
            }
            // One that hangs is given up before it is watched for too long.
            match timeout(self.pace.renewal * 2, self.renew()).await {
                Ok(Ok(())) => {}
                Ok(Err(StorageError::Locked { path, holder })) => {
                    let _ = tell.send(Some(format!("the storage was claimed {holder} ({path})")));
                    return;
                }
                Ok(Err(error)) => tracing::debug!(%error, "the claim on the storage could not be renewed now"),
                Err(_) => tracing::debug!("the claim on the storage could not be renewed in time"),
            }
        }
        self.record.released = true;
        if !matches!(timeout(RELEASE_PATIENCE, self.renew()).await, Ok(Ok(()))) {
            tracing::debug!("the claim on the storage stays: whoever comes with another catalog watches it");
        }
    }

    async fn renew(&mut self) -> StorageResult<()> {
        let bytes = self.record.next().map_err(|error| unwritable(self.place.as_ref(), error))?;
        match self.place.replace(self.standing.as_ref(), bytes).await? {
            Replaced::Done(claimed) => self.standing = Some(claimed),
            // One of our own whose answer never came, or it was removed by hand: the next renewal puts it right.
            Replaced::Otherwise(found) if self.is_ours(found.as_ref()) => self.standing = found,
            Replaced::Otherwise(found) => return Err(locked(self.place.as_ref(), found.as_ref())),
        }
        Ok(())
    }

    fn is_ours(&self, found: Option<&Claimed>) -> bool {
        let Some(found) = found else { return true };
        Record::of(found).is_some_and(|record| record.process == self.record.process)
    }
}

#[async_trait]
impl RemoteLock for StorageClaim {
    fn lost(&self) -> Option<String> {
        self.lost.borrow().clone()
    }

    async fn until_lost(&self) -> String {
        let mut lost = self.lost.clone();
        let reason = lost.wait_for(Option::is_some).await.ok().map(|reason| reason.clone().unwrap_or_default());
        match reason {
            Some(reason) => reason,
            // It was given back.
            None if self.release.is_cancelled() => std::future::pending().await,
            None => "nobody renews the claim on the storage any more".to_owned(),
        }
    }

    async fn release(&self) {
        self.release.cancel();
        let renewing = self.renewing.lock().take();
        if let Some(renewing) = renewing {
            let _ = timeout(RELEASE_PATIENCE, renewing).await;
        }
    }
}

impl Drop for StorageClaim {
    fn drop(&mut self) {
        if let Some(renewing) = self.renewing.lock().take() {
            renewing.abort();
        }
    }
}

#[cfg(test)]
mod tests;
