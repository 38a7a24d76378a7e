//! What every reconciliation works with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::cache::{Children, Elements};
use crate::cluster::{Cluster, Recorder};
use crate::keys::Maker;
use crate::metrics::Metrics;
use crate::node_client::Nodes;
use crate::queue::Queue;
use crate::settings::Settings;

/// How long a user's Secret that was seen is taken to be there.
const SEEN_FOR: Duration = Duration::from_mins(5);

/// What every reconciliation works with.
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// The elements as last seen.
    pub elements: Arc<Elements>,
    /// What belongs to them.
    pub children: Arc<Children>,
    /// Makes keys.
    pub maker: Maker,
    /// Tells people.
    pub recorder: Recorder,
    /// The nodes.
    pub nodes: Arc<Nodes>,
    /// Elements to look at.
    pub queue: Arc<Queue>,
    /// Elements whose nodes are to be asked.
    pub polls: Arc<Queue>,
    /// What the operator was told.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The cluster knows ServiceMonitors.
    pub knows_service_monitors: bool,
    /// Users' Secrets that were there, by namespace and name, so that not every look at an element asks for them.
    pub seen_secrets: Seen,
}

/// Things that were seen, and when.
#[derive(Default)]
pub struct Seen {
    times: Mutex<HashMap<(String, String), Instant>>,
}

impl Seen {
    /// Whether it was seen lately.
    pub fn lately(&self, namespace: &str, name: &str) -> bool {
        let place = (namespace.to_owned(), name.to_owned());
        self.times.lock().get(&place).is_some_and(|at| at.elapsed() < SEEN_FOR)
    }

    /// It was seen now.
    pub fn now(&self, namespace: &str, name: &str) {
        let mut times = self.times.lock();
        times.retain(|_, at| at.elapsed() < SEEN_FOR);
        times.insert((namespace.to_owned(), name.to_owned()), Instant::now());
    }
}
