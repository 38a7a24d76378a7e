//! The Lease: one master among the nodes of a cluster.
//!
//! The protocol is `storage-lease`'s; here is what this process is in it. Source of the rules: the product specification,
//! `10-node`, Election.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::RwLock;
use storage_lease::{Counts, Keeper};

use super::{Election, Mastership, MastershipLost, Renewals, Role};

/// What this process is among the nodes that share a Lease. Told by the life of the process, asked by everyone.
pub struct LeaseElection {
    node: String,
    mastership: Mastership,
    state: RwLock<State>,
}

struct State {
    /// As this process calls itself in the Lease.
    holder: String,
    /// The candidacy, while there is one.
    keeper: Option<Arc<Keeper>>,
    /// The Lease's transitions in the term that has begun here.
    term: Option<u64>,
    /// In `ro` and `ar` no election runs.
    sealed: bool,
    /// What earlier candidacies of this process counted.
    counted: Counts,
}

impl LeaseElection {
    /// A process that is no candidate yet. `node` is what its pod is called, the same after a restart.
    pub fn new(node: String, mastership: Mastership) -> Self {
        let state = State { holder: node.clone(), keeper: None, term: None, sealed: false, counted: Counts::default() };
        Self { node, mastership, state: RwLock::new(state) }
    }

    /// Where it is told who the master is.
    pub const fn mastership(&self) -> &Mastership {
        &self.mastership
    }

    /// A candidacy has begun, under this name.
    pub fn stands(&self, holder: String, keeper: Arc<Keeper>) {
        let mut state = self.state.write();
        (state.holder, state.keeper, state.term, state.sealed) = (holder, Some(keeper), None, false);
    }

    /// A term has begun: from here on [`check`](Election::check) is about it.
    pub fn begins(&self, transitions: u64) {
        self.state.write().term = Some(transitions);
    }

    /// The term is over, whatever the Lease says.
    pub fn ends(&self) {
        self.state.write().term = None;
    }

    /// The candidacy is over. The one that was, to be released.
    pub fn withdraws(&self, sealed: bool) -> Option<Arc<Keeper>> {
        let mut state = self.state.write();
        let keeper = state.keeper.take();
        if let Some(keeper) = &keeper {
            state.counted = sum(state.counted, keeper.counts());
        }
        (state.term, state.sealed) = (None, sealed);
        keeper
    }
}

#[async_trait]
impl Election for LeaseElection {
    fn role(&self) -> Role {
        let state = self.state.read();
        match (state.term, state.sealed) {
            (Some(_), _) => Role::Master,
            (None, true) => Role::Standalone,
            (None, false) => Role::Standby,
        }
    }

    fn holder(&self) -> String {
        self.state.read().holder.clone()
    }

    fn node(&self) -> String {
        self.node.clone()
    }

    fn master(&self) -> Option<String> {
        self.mastership.seen().map(|master| master.holder)
    }

    fn check(&self) -> Result<(), MastershipLost> {
        let state = self.state.read();
        match (&state.keeper, state.term) {
            (Some(keeper), Some(transitions)) => {
                keeper.check_term(transitions).map_err(|not_held| MastershipLost(not_held.to_string()))
            }
            _ => Err(MastershipLost("no term of this node is running".to_owned())),
        }
    }

    fn since_renewal(&self) -> Option<Duration> {
        self.state.read().keeper.as_ref().and_then(|keeper| keeper.since_renewal())
    }

    fn renewals(&self) -> Option<Renewals> {
        let state = self.state.read();
        let now = state.keeper.as_ref().map(|keeper| keeper.counts()).unwrap_or_default();
        let Counts { renewals_ok, renewals_conflict, renewals_error, renewals_timeout, .. } = sum(state.counted, now);
        Some([
            ("ok", renewals_ok),
            ("conflict", renewals_conflict),
            ("error", renewals_error),
            ("timeout", renewals_timeout),
        ])
    }
}

fn sum(one: Counts, other: Counts) -> Counts {
    Counts {
        renewals_ok: one.renewals_ok + other.renewals_ok,
        renewals_conflict: one.renewals_conflict + other.renewals_conflict,
        renewals_error: one.renewals_error + other.renewals_error,
        renewals_timeout: one.renewals_timeout + other.renewals_timeout,
        takeovers: one.takeovers + other.takeovers,
    }
}

#[cfg(test)]
mod tests {
    use super::LeaseElection;
    use crate::election::{Election, MasterSeen, Mastership, Role};

    #[test]
    fn without_a_term_nothing_may_be_committed() {
        let mastership = Mastership::default();
        let election = LeaseElection::new("node-0".to_owned(), mastership.clone());
        assert_eq!((election.role(), election.master()), (Role::Standby, None));
        assert!(election.check().is_err());
        // A term without a Lease is none.
        election.begins(3);
        assert!(election.check().is_err());
        election.ends();
        mastership.saw(Some(MasterSeen { holder: "node-1".to_owned(), address: None, epoch: 4 }));
        assert_eq!(election.master().as_deref(), Some("node-1"));
        assert!(election.withdraws(true).is_none());
        assert_eq!((election.role(), election.since_renewal()), (Role::Standalone, None));
        assert!(election.check().is_err());
    }
}
