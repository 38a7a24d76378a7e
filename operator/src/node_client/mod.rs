//! The node's API as the operator uses it: over the peer port, with mutual TLS and the operator's own token.

mod call;
mod connection;
mod info;
mod poll;

use std::collections::HashMap;

use parking_lot::Mutex;

pub use call::{ModeRequest, NodeFailure, Target, put_mode};
pub use info::{CapacityInfo, FilesInfo, Info, Observation};
pub use poll::{INTERVAL, poll};

use crate::cache::Key;

/// What nodes last said, by element.
#[derive(Default)]
pub struct Nodes {
    observations: Mutex<HashMap<Key, Observation>>,
}

impl Nodes {
    /// What the element's nodes last said.
    pub fn of(&self, key: &Key) -> Observation {
        self.observations.lock().get(key).cloned().unwrap_or_default()
    }

    /// Takes in an answer. Returns whether it says something new enough to be told.
    pub fn answered(&self, key: &Key, info: Info) -> bool {
        let mut observations = self.observations.lock();
        let observation = observations.entry(key.clone()).or_default();
        observation.asked_at = Some(tokio::time::Instant::now());
        let news = observation.failure.take().is_some()
            || observation.info.as_ref().is_none_or(|known| known.differs_from(&info));
        // Small steps add up against what was told, not against the last answer.
        if news {
            observation.info = Some(info.clone());
        }
        observation.last = Some(info);
        news
    }

    /// No node answered. Returns whether that is news.
    pub fn failed(&self, key: &Key, failure: String) -> bool {
        let mut observations = self.observations.lock();
        let observation = observations.entry(key.clone()).or_default();
        observation.asked_at = Some(tokio::time::Instant::now());
        observation.failure.replace(failure).is_none()
    }

    /// The element is gone.
    pub fn forget(&self, key: &Key) {
        self.observations.lock().remove(key);
    }
}
