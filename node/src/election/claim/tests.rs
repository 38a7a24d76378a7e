use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use super::{Pace, StorageClaim};
use crate::election::RemoteLock;
use crate::storage::{ClaimPlace, Claimed, Replaced, StorageError, StorageResult};

/// A place in memory.
#[derive(Default)]
struct Place {
    stands: Mutex<Option<Claimed>>,
    away: AtomicBool,
    /// Writes are done, their answers are lost.
    deaf: AtomicBool,
}

impl Place {
    fn answer<T>(&self, away: &AtomicBool, answer: T) -> StorageResult<T> {
        let away = away.load(Ordering::Relaxed);
        let lost = || StorageError::Io { action: "reach", path: self.name(), source: std::io::Error::other("away") };
        if away { Err(lost()) } else { Ok(answer) }
    }
}

#[async_trait]
impl ClaimPlace for Place {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    async fn look(&self) -> StorageResult<Option<Claimed>> {
        self.answer(&self.away, self.stands.lock().clone())
    }

    async fn replace(&self, seen: Option<&Claimed>, bytes: Bytes) -> StorageResult<Replaced> {
        self.answer(&self.away, ())?;
        let mut stands = self.stands.lock();
        let replaced = if stands.as_ref() == seen {
            let tag = Some(uuid::Uuid::new_v4().to_string());
            let claimed = Claimed { bytes, tag };
            *stands = Some(claimed.clone());
            Replaced::Done(claimed)
        } else {
            Replaced::Otherwise(stands.clone())
        };
        drop(stands);
        self.answer(&self.deaf, replaced)
    }
}

const PACE: Pace = Pace { renewal: Duration::from_millis(50), watched: Duration::from_secs(2) };

async fn stand(place: &Arc<Place>, name: &str, catalog: &str) -> Result<StorageClaim, String> {
    let place: Arc<Place> = Arc::clone(place);
    StorageClaim::stand(place, name, catalog, PACE).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn whoever_comes_with_another_catalog_is_refused_while_the_first_lives() {
    let place = Arc::new(Place::default());
    let first = stand(&place, "process 1", "one").await.unwrap();
    for _ in 0..2 {
        let refused = stand(&place, "process 2", "two").await.err().unwrap();
        assert!(refused.contains("process 1"), "{refused}");
    }
    assert_eq!(first.lost(), None);
    // Given back, it can be had at once, by whomever.
    first.release().await;
    let second = timeout(PACE.watched, stand(&place, "process 2", "two")).await.unwrap().unwrap();
    assert_eq!(second.lost(), None);
}

#[tokio::test]
async fn one_that_stopped_is_fenced_by_its_successor() {
    let place = Arc::new(Place::default());
    let first = stand(&place, "process 1", "one").await.unwrap();
    // Frozen: it renews nothing.
    let frozen = first.renewing.lock().take().unwrap();
    frozen.abort();
    let stale = place.stands.lock().clone();
    let second = stand(&place, "process 2", "two").await.unwrap();
    // It wakes up with what it last knew.
    let late = place.replace(stale.as_ref(), Bytes::from_static(b"late")).await.unwrap();
    assert!(matches!(late, Replaced::Otherwise(Some(_))), "{late:?}");
    assert_eq!(second.lost(), None);
    // The same catalog's lock is proof enough that whoever held it is gone.
    drop(second);
    timeout(PACE.watched, stand(&place, "process 3", "two")).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_claim_that_another_has_taken_is_lost() {
    let place = Arc::new(Place::default());
    let first = stand(&place, "process 1", "one").await.unwrap();
    let taken = stand(&place, "process 2", "one").await.unwrap();
    let reason = timeout(Duration::from_secs(30), first.until_lost()).await.unwrap();
    assert!(reason.contains("process 2"), "{reason}");
    assert_eq!(taken.lost(), None);
}

#[tokio::test]
async fn renewals_that_fail_or_whose_answers_are_lost_lose_nothing() {
    let place = Arc::new(Place::default());
    let claim = stand(&place, "process 1", "one").await.unwrap();
    for part in [&place.away, &place.deaf] {
        part.store(true, Ordering::Relaxed);
        sleep(PACE.renewal * 6).await;
        part.store(false, Ordering::Relaxed);
        sleep(PACE.renewal * 6).await;
        assert_eq!(claim.lost(), None);
        assert!(stand(&place, "process 2", "two").await.is_err(), "it is renewed again");
    }
    // Removed by hand, it comes back.
    *place.stands.lock() = None;
    sleep(PACE.renewal * 6).await;
    assert_eq!(claim.lost(), None);
    assert!(stand(&place, "process 2", "two").await.is_err());
}
