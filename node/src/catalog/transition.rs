//! Mode changes: the phases a transition goes through, and how the catalog answers each.

use serde::{Deserialize, Serialize};
use storage_element_crds::Mode;

use super::ConfigRow;
use crate::model::{Term, Timestamp, WalRow};

/// A mode change that is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Names it; every phase repeats it.
    pub id: String,
    /// Rises when the orchestrator starts over; a lower one is refused.
    pub attempt: u64,
    /// The mode it leads to.
    pub target: Mode,
}

/// Which writer may change the singleton row: the master by its term, or, in `ro` and `ar`, where there is none, anyone
/// who has seen the row's latest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowGuard {
    /// The row still has this epoch and nonce.
    Term(Term),
    /// The row still has this `row_version`.
    Version(i64),
}

/// How the catalog answered a phase of a mode change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransitionVerdict {
    /// Done; the row as it is now.
    Done(Box<ConfigRow>),
    /// The guard no longer holds: the term is over, or somebody changed the row.
    Overtaken,
    /// The row's transition is another one, or the same with a higher attempt (or with this attempt and another target).
    Other(Transition),
    /// No such transition is prepared, or its time is over.
    NotPrepared,
    /// Transactions on files are open (PENDING or FAILED): so many.
    OpenTransactions(u64),
}

/// A committed change of mode.
#[derive(Clone, Debug)]
pub struct ModeChange {
    /// The transition, as it was prepared.
    pub transition: Transition,
    /// Since when the new mode is in force.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: String,
    /// The row of the log. It is written COMMITTED, whatever its status says here; without an end it ends now.
    pub row: WalRow,
}

/// What a statement of a phase has to see, judged once more to say why it changed nothing. Every make words these rules
/// in its statements; this is where they are told in one place.
pub(super) struct Observed<'a> {
    /// The row.
    pub(super) config: &'a ConfigRow,
    /// Who asks.
    pub(super) guard: RowGuard,
    /// The catalog's clock.
    pub(super) now: Timestamp,
}

impl Observed<'_> {
    /// Whether the guard holds.
    fn holds(&self) -> bool {
        match self.guard {
            RowGuard::Term(term) => self.config.epoch == term.epoch && self.config.nonce == Some(term.nonce),
            RowGuard::Version(version) => self.config.row_version == version,
        }
    }

    /// The row's transition while its time is not over.
    fn standing(&self) -> Option<&Transition> {
        let over = self.config.prepared_until.is_none_or(|until| until <= self.now);
        self.config.transition.as_ref().filter(|_| !over)
    }

    fn done(&self) -> TransitionVerdict {
        TransitionVerdict::Done(Box::new(self.config.clone()))
    }

    /// Whether `wanted` may be prepared. Asked again after a lost answer, whoever goes by the row's version has been
    /// overtaken by nobody but himself.
    pub(super) fn prepare(&self, wanted: &Transition) -> TransitionVerdict {
        let repeated = matches!(self.guard, RowGuard::Version(_)) && self.standing() == Some(wanted);
        if !self.holds() && !repeated {
            return TransitionVerdict::Overtaken;
        }
        match &self.config.transition {
            Some(found) if found.id == wanted.id => {
                if found.attempt < wanted.attempt || found == wanted {
                    self.done()
                } else {
                    TransitionVerdict::Other(found.clone())
                }
            }
            Some(found) if self.standing().is_some() => TransitionVerdict::Other(found.clone()),
            _ => self.done(),
        }
    }

    /// Whether `wanted` may be committed while `open` transactions on files are open.
    pub(super) fn commit(&self, wanted: &Transition, open: u64) -> TransitionVerdict {
        if !self.holds() {
            return TransitionVerdict::Overtaken;
        }
        match self.standing() {
            Some(found) if found == wanted && open == 0 => self.done(),
            Some(found) if found == wanted => TransitionVerdict::OpenTransactions(open),
            // An earlier attempt stands: this one has not been prepared.
            Some(found) if found.id == wanted.id && found.attempt < wanted.attempt => TransitionVerdict::NotPrepared,
            Some(found) => TransitionVerdict::Other(found.clone()),
            None => TransitionVerdict::NotPrepared,
        }
    }

    /// Whether nothing is left to take back of this transition. A term that is over is told so in any case.
    pub(super) fn aborted(&self, id: &str) -> TransitionVerdict {
        let there = self.config.transition.as_ref().is_some_and(|found| found.id == id);
        if there || (matches!(self.guard, RowGuard::Term(_)) && !self.holds()) {
            return TransitionVerdict::Overtaken;
        }
        self.done()
    }
}
