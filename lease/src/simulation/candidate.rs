//! One process that is a candidate, the machine it runs on, and its way to the API server.

use std::time::Duration;

use super::clocks::Clocks;
use super::law::Term;
use crate::protocol::{Moment, Observation, State};
use crate::{BootInstant, Settings};

/// A place for a process. Processes come and go in it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) settings: Settings,
    pub(super) clocks: Clocks,
    /// The process, if one runs: a number that no other ever has, and its state.
    pub(super) process: u64,
    pub(super) state: Option<State>,
    /// The term it is in, as far as the law was told.
    pub(super) term: Option<Term>,
    /// When the last term ends, or ended, if nothing renews it.
    pub(super) deadline: BootInstant,
    /// When a write of this process was last applied, and as which version.
    pub(super) applied: Option<(u64, u64)>,
    /// When the Lease had last changed before that.
    pub(super) took_over_from: u64,
    /// Its owner gave it a reason to end its term.
    pub(super) wished: bool,
    /// It was told to leave the Lease to others until then.
    pub(super) aside_until: u64,
    /// Only the last wake-up that was asked for is given.
    pub(super) wakes: u64,
    /// Stopped since then, by SIGSTOP or with its machine.
    pub(super) stopped: Option<u64>,
    pub(super) suspended: bool,
    /// What arrived meanwhile.
    pub(super) inbox: Vec<Observation>,
    pub(super) way: Way,
    pub(super) watch: Watch,
}

/// The network between a candidate and the server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// Nothing gets to the server.
    pub(super) cut_to: bool,
    /// Nothing comes from it.
    pub(super) cut_from: bool,
    /// On top of the usual.
    pub(super) slower: Duration,
    pub(super) watch_lags: Duration,
}

/// Its watch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// Which one: what an earlier one still had to say is not heard.
    pub(super) number: u64,
    pub(super) runs: bool,
    /// The version up to which changes were sent.
    pub(super) sent: u64,
    /// What was sent arrives in order.
    pub(super) arrives_at: u64,
}

impl Candidate {
    pub(super) fn new(settings: Settings, clocks: Clocks) -> Self {
        Self {
            settings,
            clocks,
            process: 0,
            state: None,
            term: None,
            deadline: BootInstant::ZERO,
            applied: None,
            took_over_from: 0,
            wished: false,
            aside_until: 0,
            wakes: 0,
            stopped: None,
            suspended: false,
            inbox: Vec::new(),
            way: Way::default(),
            watch: Watch::default(),
        }
    }

    pub(super) fn now(&self, truth: u64) -> Moment {
        self.clocks.read(truth)
    }

    /// What `Keeper::check` would say, whenever the process runs on.
    pub(super) fn may_write(&self, truth: u64) -> bool {
        let term = self.state.as_ref().and_then(State::term);
        term.is_some_and(|(_, deadline)| self.now(truth).boot < deadline)
    }

    /// It is gone, as by SIGKILL.
    pub(super) fn die(&mut self) {
        self.state = None;
        self.term = None;
        self.applied = None;
        self.wished = false;
        self.aside_until = 0;
        self.stopped = None;
        self.suspended = false;
        self.inbox.clear();
        self.watch.runs = false;
    }
}
