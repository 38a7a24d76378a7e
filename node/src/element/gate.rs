//! The gate every write passes: open for one term, or closed for a reason; and how many are inside.

use std::sync::Arc;

use tokio::sync::watch;

use crate::model::Term;

/// Why no writes are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Interrupted operations are being settled, or the cache is being made.
    Recovering(String),
    /// This node is not the master.
    NotMaster(String),
    /// A mode change is on its way.
    Transition,
    /// The process is about to end.
    Stopping,
    /// The storage takes no writes.
    StorageBroken(String),
}

/// How the gate stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// Writes of this term may enter.
    Open(Term),
    /// None may enter. With `cut`, those that still wait for their client's bytes have to end too.
    Closed {
        /// Why.
        reason: Closed,
        /// Whether running ones have to end.
        cut: bool,
    },
}

/// The gate.
pub struct Gate {
    door: watch::Sender<Door>,
    inside: watch::Sender<usize>,
}

/// One write inside the gate.
pub struct Pass {
    term: Term,
    door: watch::Receiver<Door>,
    inside: Arc<Inside>,
}

struct Inside(watch::Sender<usize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.send_modify(|inside| *inside -= 1);
    }
}

impl Gate {
    /// A closed gate.
    pub fn new(reason: Closed) -> Self {
        Self { door: watch::Sender::new(Door::Closed { reason, cut: false }), inside: watch::Sender::new(0) }
    }

    /// Lets a write in, or says why not.
    pub fn enter(&self) -> Result<Pass, Closed> {
        // Counted before the door is looked at: whoever closes it and then waits sees everyone who got in.
        self.inside.send_modify(|inside| *inside += 1);
        let inside = Arc::new(Inside(self.inside.clone()));
        let door = self.door.subscribe();
        let state = door.borrow().clone();
        match state {
            Door::Open(term) => Ok(Pass { term, door, inside }),
            Door::Closed { reason, .. } => Err(reason),
        }
    }

    /// How the gate stands.
    pub fn door(&self) -> Door {
        self.door.borrow().clone()
    }

    /// Follows how it stands.
    pub fn watch(&self) -> watch::Receiver<Door> {
        self.door.subscribe()
    }

    /// Lets writes of `term` in.
    pub fn open(&self, term: Term) {
        self.door.send_replace(Door::Open(term));
    }

    /// Lets nobody in any more; with `cut`, those that still wait for their client's bytes end too.
    pub fn close(&self, reason: Closed, cut: bool) {
        self.door.send_replace(Door::Closed { reason, cut });
    }

    /// Returns when nobody is inside.
    pub async fn emptied(&self) {
        let mut inside = self.inside.subscribe();
        let _ = inside.wait_for(|inside| *inside == 0).await;
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        *self.inside.borrow()
    }
}

impl Pass {
    /// The term in which this write entered.
    pub const fn term(&self) -> Term {
        self.term
    }

    /// Returns when this write has to end although its client still sends. Cancel safe.
    pub async fn cut(&mut self) -> Closed {
        let term = self.term;
        let ended = self.door.wait_for(|door| match door {
            Door::Open(open) => *open != term,
            Door::Closed { cut, .. } => *cut,
        });
        match ended.await.map(|door| door.clone()) {
            Ok(Door::Closed { reason, .. }) => reason,
            Ok(Door::Open(_)) => Closed::NotMaster("another term has begun".to_owned()),
            Err(_) => Closed::Stopping,
        }
    }

    /// A second hold on the same place inside, for work that outlives the request.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { term: self.term, door: self.door.clone(), inside: Arc::clone(&self.inside) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Closed, Gate};
    use crate::model::{Nonce, Term};

    #[tokio::test]
    async fn who_closes_and_waits_sees_everyone_leave() {
        let gate = Gate::new(Closed::Stopping);
        assert_eq!(gate.enter().err(), Some(Closed::Stopping));
        gate.open(Term { epoch: 1, nonce: Nonce::fresh() });
        let pass = gate.enter().unwrap();
        let second = pass.share();
        gate.close(Closed::Transition, false);
        assert_eq!(gate.enter().err(), Some(Closed::Transition));
        drop(pass);
        assert!(tokio::time::timeout(Duration::from_millis(20), gate.emptied()).await.is_err());
        drop(second);
        gate.emptied().await;
        assert_eq!(gate.inside(), 0);
    }

    #[tokio::test]
    async fn a_running_write_is_cut_only_when_told() {
        let gate = Gate::new(Closed::Stopping);
        gate.open(Term { epoch: 1, nonce: Nonce::fresh() });
        let mut pass = gate.enter().unwrap();
        gate.close(Closed::Transition, false);
        assert!(tokio::time::timeout(Duration::from_millis(20), pass.cut()).await.is_err());
        gate.close(Closed::Transition, true);
        assert_eq!(pass.cut().await, Closed::Transition);
    }
}
