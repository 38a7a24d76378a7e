//! Which operations are alive, and who works on which file.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::model::TransactionId;

/// Transactions that an operation of this process owns: settling leaves them alone.
#[derive(Default)]
pub struct Live {
    owned: Mutex<HashSet<TransactionId>>,
}

/// An operation's hold on its transaction. Dropped when the operation has ended, however it ended.
pub struct Owned {
    live: Arc<Live>,
    tx: TransactionId,
}

impl Live {
    /// Owns `tx` until the value is dropped.
    pub fn own(self: &Arc<Self>, tx: TransactionId) -> Owned {
        self.owned.lock().insert(tx);
        Owned { live: Arc::clone(self), tx }
    }

    /// The transactions that have an owner now.
    pub fn snapshot(&self) -> Vec<TransactionId> {
        self.owned.lock().iter().copied().collect()
    }

    /// Whether an operation owns `tx`.
    pub fn owns(&self, tx: TransactionId) -> bool {
        self.owned.lock().contains(&tx)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.live.owned.lock().remove(&self.tx);
    }
}

/// A lock for each key, there only while somebody holds it or waits for it.
pub struct KeyLocks<K> {
    held: Arc<Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>>,
}

/// A held key.
pub struct KeyGuard<K: Eq + Hash> {
    held: Arc<Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>>,
    key: K,
    guard: Option<OwnedMutexGuard<()>>,
}

impl<K> Default for KeyLocks<K> {
    fn default() -> Self {
        Self { held: Arc::default() }
    }
}

impl<K: Eq + Hash + Clone> KeyLocks<K> {
    /// Waits until nobody else holds `key`, in the order of arrival.
    pub async fn lock(&self, key: K) -> KeyGuard<K> {
        let lock = Arc::clone(self.held.lock().entry(key.clone()).or_default());
        let mut guard = KeyGuard { held: Arc::clone(&self.held), key, guard: None };
        guard.guard = Some(lock.lock_owned().await);
        guard
    }
}

impl<K: Eq + Hash> Drop for KeyGuard<K> {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        self.guard = None;
        // The map's own reference is the only one left: nobody waits.
        if held.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            held.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{KeyLocks, Live};

    #[tokio::test]
    async fn one_at_a_time_for_each_key_and_nothing_stays_behind() {
        let locks = Arc::new(KeyLocks::default());
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks = (0..32).map(|_| {
            let (locks, inside) = (Arc::clone(&locks), Arc::clone(&inside));
            tokio::spawn(async move {
                let _guard = locks.lock(7).await;
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        // One whose wait is given up leaves nothing either.
        let guard = locks.lock(7).await;
        let waiting = tokio::time::timeout(std::time::Duration::from_millis(5), locks.lock(7)).await;
        assert!(waiting.is_err());
        drop(guard);
        assert!(locks.held.lock().is_empty());
    }

    #[test]
    fn a_transaction_is_owned_until_its_operation_ends() {
        let live = Arc::new(Live::default());
        let tx = uuid::Uuid::new_v4();
        let owned = live.own(tx);
        assert!(live.owns(tx));
        drop(owned);
        assert!(!live.owns(tx));
    }
}
