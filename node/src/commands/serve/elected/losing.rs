//! The end of a term, whatever the reason, and what others are told of the master.

use tokio::task::JoinSet;

use super::follow::Sighting;
use super::life::Life;
use crate::election::{Election, MasterSeen};

impl Life<'_> {
    /// The term is over, whatever the reason: nothing is written any more, running writes end.
    pub(super) fn lose(&mut self, reason: &str) {
        let Some(mastering) = self.mastering.take() else { return };
        self.election.ends();
        self.work = JoinSet::new();
        self.over = Some(mastering.transitions);
        self.holding.send_replace(false);
        if let (Some(running), Some(taken_over)) = (&self.running, &mastering.taken_over) {
            running.element.step_down(taken_over.term, reason);
            running.modes.term_over();
            running.jobs.term_over();
        }
        self.rooms.catalog.end_term();
        tracing::warn!(reason, "this node is a standby now");
        self.tell_master();
    }

    /// Another term has begun although the Lease may still be this node's: then it begins a new one at once.
    pub(super) async fn passed(&mut self, reason: &str) {
        self.lose(reason);
        if let Some(keeper) = &self.keeper {
            keeper.new_term().await;
        }
    }

    pub(super) async fn of_no_use(&mut self) {
        let reason = self.unwell.borrow_and_update().clone();
        if self.mastering.is_some() {
            self.stand_aside(&reason).await;
        }
    }

    /// Gives the Lease up for others, who may reach what this node cannot.
    pub(super) async fn stand_aside(&mut self, reason: &str) {
        self.lose(reason);
        if let Some(keeper) = &self.keeper {
            tracing::warn!(reason, "this node stands aside: it gives the Lease up");
            keeper.stand_aside(self.candidate.aside()).await;
        }
    }

    /// Is no candidate any more; the Lease is given up beside everything else.
    pub(super) fn withdraw(&mut self, sealed: bool) {
        self.sealed = sealed;
        (self.keeper, self.belief) = (None, None);
        if let Some(keeper) = self.election.withdraws(sealed) {
            self.process.tasks.spawn(async move { keeper.release().await });
        }
    }

    /// Says who the master is, as far as Lease and row agree.
    pub(super) fn tell_master(&self) {
        let own = self.mastering.as_ref().and_then(|mastering| mastering.taken_over.as_ref());
        let seen = if let Some(taken_over) = own {
            let address = self.config.peer.as_ref().map(|peer| peer.advertise.clone());
            Some(MasterSeen { holder: self.election.holder(), address, epoch: taken_over.term.epoch })
        } else if self.sealed {
            None
        } else if let Sighting::Element(seen) = &*self.sightings.borrow() {
            let row = &seen.0;
            let holder = row.master.clone().filter(|master| self.may_hold(master));
            holder.map(|holder| MasterSeen { holder, address: row.master_address.clone(), epoch: row.epoch })
        } else {
            None
        };
        self.election.mastership().saw(seen);
    }

    /// Whether nothing that is known of the Lease says that `master` does not hold it.
    fn may_hold(&self, master: &str) -> bool {
        let Some(belief) = &self.belief else { return false };
        match &*belief.borrow() {
            storage_lease::Belief::Following { holder } => holder.as_deref() == Some(master),
            storage_lease::Belief::Unknown => master != self.election.holder(),
            // Elected, and the row is still its predecessor's.
            storage_lease::Belief::Holding { .. } => false,
        }
    }
}
