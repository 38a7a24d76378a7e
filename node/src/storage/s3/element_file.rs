//! `element.json`, replaced only where it is as this process has last seen it.

use bytes::Bytes;
use parking_lot::Mutex;

use super::store::{Condition, Store, Written};
use crate::storage::{StorageError, StorageResult};

const PATH: &str = ".element/element.json";

/// What this process has last seen at `element.json`.
#[derive(Default)]
pub(super) struct ElementFileSeen {
    seen: Mutex<Option<Condition>>,
}

impl ElementFileSeen {
    pub(super) async fn read(&self, store: &Store) -> StorageResult<Option<Bytes>> {
        let found = store.get(PATH).await.map_err(|failure| failure.at("read", PATH))?;
        let condition = match &found {
            None => Some(Condition::Absent),
            Some(object) => object.etag.clone().map(Condition::Is),
        };
        *self.seen.lock() = condition;
        Ok(found.map(|object| object.bytes))
    }

    /// Replaces it. [`StorageError::Conflict`] when another process has replaced it since it was read here.
    pub(super) async fn replace(&self, store: &Store, bytes: Bytes) -> StorageResult<()> {
        let seen = self.seen.lock().clone();
        let condition = match seen {
            Some(condition) => condition,
            None => {
                self.read(store).await?;
                self.seen.lock().clone().unwrap_or(Condition::Absent)
            }
        };
        match store.put_if(PATH, bytes, condition).await {
            Ok(Written::Done(etag)) => {
                *self.seen.lock() = etag.map(Condition::Is);
                Ok(())
            }
            Ok(Written::Unmet(_)) => Err(StorageError::Conflict { path: PATH.to_owned() }),
            Err(refused) => {
                // Perhaps it was replaced: the next replacement asks again what stands there.
                Err(refused.failure.at("replace", PATH))
            }
        }
    }

    /// Whether the store answers.
    pub(super) async fn look(&self, store: &Store) -> StorageResult<()> {
        store.head(PATH).await.map(|_| ()).map_err(|failure| failure.at("look at", PATH))
    }
}
