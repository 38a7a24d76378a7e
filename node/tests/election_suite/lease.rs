//! Candidates for one Lease, on an API server of the test's own. What only a Lease can be shown to do is shown where it is
//! kept: in `storage-lease`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use storage_lease::{Belief, Keeper, Settings};
use storage_node::election::lease::LeaseElection;
use storage_node::election::{Election, Mastership, MastershipLost, Role};
use tokio::runtime::Runtime;

use crate::Make;
use crate::fake::Server;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// One Lease, and nodes that stand for it.
pub struct Leases {
    runtime: Arc<Runtime>,
    server: Server,
    stood: AtomicU32,
}

impl Leases {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start());
        Self { runtime: Arc::new(runtime), server, stood: AtomicU32::new(0) }
    }
}

impl Make for Leases {
    /// As a node does, but for the waiting: who does not become master is refused here.
    fn stand(&self) -> Result<Box<dyn Election>, String> {
        let node = format!("node-{}", self.stood.fetch_add(1, Relaxed));
        let identity = format!("{node}_of-the-test");
        let settings = Settings {
            lease_duration: Duration::from_secs(20),
            renew_deadline: Duration::from_secs(15),
            retry_period: Duration::from_secs(1),
            take_unheld_at_once: true,
            ..Settings::new("default", "files", identity.clone())
        };
        let keeper = Arc::new(Keeper::start(self.server.config(&node), settings).unwrap());
        let mut belief = keeper.belief();
        let settled = |belief: &Belief| match belief {
            Belief::Unknown => false,
            Belief::Following { holder } => holder.is_some(),
            Belief::Holding { .. } => true,
        };
        let waits = async { tokio::time::timeout(PATIENCE, belief.wait_for(settled)).await.unwrap().unwrap().clone() };
        match self.runtime.block_on(waits) {
            Belief::Holding { transitions } => {
                let election = LeaseElection::new(node, Mastership::default());
                election.stands(identity, keeper);
                election.begins(transitions);
                Ok(Box::new(Stood { election, runtime: Arc::clone(&self.runtime) }))
            }
            other => Err(format!("{other:?}")),
        }
    }
}

/// A master that gives the Lease back when it is dropped, as a node does when it is told to stop.
struct Stood {
    election: LeaseElection,
    runtime: Arc<Runtime>,
}

impl Drop for Stood {
    fn drop(&mut self) {
        if let Some(keeper) = self.election.withdraws(false) {
            self.runtime.block_on(keeper.release());
        }
    }
}

#[async_trait::async_trait]
impl Election for Stood {
    fn role(&self) -> Role {
        self.election.role()
    }

    fn holder(&self) -> String {
        self.election.holder()
    }

    fn check(&self) -> Result<(), MastershipLost> {
        self.election.check()
    }
}
