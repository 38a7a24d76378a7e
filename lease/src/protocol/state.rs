//! The machine: what it remembers, and one step of it.

use std::time::Duration;

use super::known::Lease;
use super::plan::Deed;
use super::rules::{Rule, Rules};
use super::{Action, Answer, Belief, Moment, Observation, RequestId, Seen, Write, WriteKind};
use crate::{BootInstant, Settings};

/// One candidate for the Lease.
#[derive(Clone, Debug)]
pub struct State {
    pub(super) settings: Settings,
    pub(super) rules: Rules,
    pub(super) phase: Phase,
    pub(super) lease: Lease,
    /// What is known may not be so any more: no write is decided on it.
    pub(super) must_read: bool,
    pub(super) under_way: Option<UnderWay>,
    last_id: u64,
    /// After a failure, when the Lease may be read and written next.
    pub(super) read_after: BootInstant,
    pub(super) write_after: BootInstant,
    /// When the watch was begun, if there is one.
    pub(super) watching_since: Option<BootInstant>,
    /// When the next watch may be begun.
    pub(super) watch_after: BootInstant,
    /// When the watch last showed anything.
    pub(super) watched_at: BootInstant,
    pub(super) conflicts_in_a_row: u32,
    /// The Lease and transitions of this process's last term, going on or over.
    pub(super) own: Option<(String, u64)>,
    /// Writes of ours that may have happened without our knowing, and that a term cannot be told by: Lease, transitions
    /// and mark of each.
    pub(super) unanswered: Vec<(String, u64, i64)>,
    /// The last Lease that was seen, and how long it said others have to wait.
    pub(super) last: Option<(String, Duration)>,
    /// The highest transitions ever seen, in any Lease of this name.
    pub(super) highest: u64,
    pub(super) aside_until: Option<BootInstant>,
}

/// What this candidate is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for its turn.
    Following,
    /// In a term.
    Holding { transitions: u64, deadline: BootInstant, sent: BootInstant },
    /// Giving the Lease up, no longer than `until`; then over, if this was the `last`.
    Leaving { until: BootInstant, last: bool },
    /// No candidate any more.
    Ended,
}

/// The request that is waited for. There is one at a time.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    id: RequestId,
    pub(super) sent: BootInstant,
    pub(super) give_up_at: BootInstant,
    pub(super) write: Option<Write>,
}

impl State {
    /// A candidate that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            rules: Rules::default(),
            phase: Phase::Following,
            lease: Lease::Unread,
            must_read: false,
            under_way: None,
            last_id: 0,
            read_after: BootInstant::ZERO,
            write_after: BootInstant::ZERO,
            watching_since: None,
            watch_after: BootInstant::ZERO,
            watched_at: BootInstant::ZERO,
            conflicts_in_a_row: 0,
            own: None,
            unanswered: Vec::new(),
            last: None,
            highest: 0,
            aside_until: None,
        }
    }

    /// As [`new`](Self::new), but for one rule.
    #[cfg(test)]
    pub(crate) fn breaking(settings: Settings, broken: Option<Rule>) -> Self {
        Self { rules: Rules { broken }, ..Self::new(settings) }
    }

    /// Takes note of what was observed, and says what to do. Call it with [`Observation::Tick`] at
    /// [`next_wake`](Self::next_wake).
    pub fn step(&mut self, observation: Observation, now: Moment) -> Vec<Action> {
        // First of all: an answer, however good, does not bring back a deadline that has passed.
        self.let_time_pass(now);
        match observation {
            Observation::Tick => {}
            Observation::Watched(seen) => {
                self.watched_at = now.boot;
                self.learn(seen, now);
            }
            Observation::WatchedDeletion { uid } => {
                self.watched_at = now.boot;
                if self.lease.known().is_some_and(|known| known.seen.uid == uid) {
                    self.learn_absence(now.boot);
                }
            }
            Observation::WatchEnded => {
                // What happened since is shown by the next one, and by a read, should the next one not come.
                self.watched_at = BootInstant::ZERO;
                self.end_watch(now.boot);
            }
            Observation::Answered(id, answer) => {
                if let Some(request) = self.under_way.take_if(|request| request.id == id) {
                    self.answered(request, answer, now);
                }
            }
            Observation::Wished(wish) => self.wished(wish, now.boot),
        }
        self.act(now)
    }

    /// What this candidate believes.
    #[must_use]
    pub fn belief(&self) -> Belief {
        match (&self.phase, &self.lease) {
            (Phase::Holding { transitions, .. }, _) => Belief::Holding { transitions: *transitions },
            (Phase::Ended, _) | (_, Lease::Unread | Lease::Absent) => Belief::Unknown,
            (_, Lease::There(known)) => {
                let holder = known.seen.holder.clone().filter(|holder| *holder != self.settings.identity);
                Belief::Following { holder }
            }
        }
    }

    /// The term that goes on, as its transitions and its deadline.
    #[must_use]
    pub fn term(&self) -> Option<(u64, BootInstant)> {
        match self.phase {
            Phase::Holding { transitions, .. } if !self.rules.hold(Rule::StopAtTheDeadline) => {
                Some((transitions, BootInstant::from_nanos(u64::MAX)))
            }
            Phase::Leaving { until, .. } if !self.rules.hold(Rule::StopBeforeReleasing) => {
                self.own.as_ref().map(|(_, transitions)| (*transitions, until))
            }
            Phase::Holding { transitions, deadline, .. } => Some((transitions, deadline)),
            _ => None,
        }
    }

    /// The UID of the Lease that this process last held.
    #[cfg(test)]
    pub(crate) fn own_lease(&self) -> Option<&str> {
        self.own.as_ref().map(|(uid, _)| uid.as_str())
    }

    /// When the Lease was last renewed: when that was sent, if it was by us, else when it was seen.
    #[must_use]
    pub fn renewed_at(&self) -> Option<BootInstant> {
        match (&self.phase, &self.lease) {
            (Phase::Holding { sent, .. }, _) => Some(*sent),
            (_, Lease::There(known)) => known.seen.holder.is_some().then_some(known.changed_at),
            _ => None,
        }
    }

    /// Whether the answer to that request is still waited for.
    #[must_use]
    pub fn awaits(&self, id: RequestId) -> bool {
        self.under_way.as_ref().is_some_and(|request| request.id == id)
    }

    /// Whether this candidate has given up for good.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn let_time_pass(&mut self, now: Moment) {
        if let Some(request) = self.under_way.take_if(|request| request.give_up_at <= now.boot) {
            self.answered(request, Answer::Lost, now);
        }
        self.aside_until = self.aside_until.filter(|until| *until > now.boot);
        match self.phase {
            Phase::Holding { deadline, .. } if deadline <= now.boot && self.rules.hold(Rule::StopAtTheDeadline) => {
                self.phase = Phase::Following;
            }
            Phase::Leaving { until, last } if until <= now.boot => self.has_left(last),
            _ => {}
        }
    }

    fn act(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some((at, deed)) = self.plan()
            && at <= now.boot
        {
            match deed {
                Deed::Leave { last } => self.has_left(last),
                Deed::Read => actions.push(Action::Get(self.send(now.boot, None))),
                Deed::Write(kind, base) => {
                    let write = self.write(kind, base, now);
                    actions.push(Action::Put(self.send(now.boot, Some(write.clone())), write));
                }
                Deed::Watch { after } => {
                    self.watching_since = Some(now.boot);
                    actions.push(Action::Watch { after });
                }
            }
        }
        actions
    }

    fn send(&mut self, now: BootInstant, write: Option<Write>) -> RequestId {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        let mut patience = self.settings.request_timeout();
        if let Phase::Holding { deadline, .. } | Phase::Leaving { until: deadline, .. } = self.phase {
            // Leaves time to read again what became of it, and to try once more.
            patience = patience.min((deadline - now) * 3 / 5);
        }
        if !self.rules.hold(Rule::GiveUpBeforeTheDeadline) {
            patience = self.settings.lease_duration * 4;
        }
        self.under_way = Some(UnderWay { id, sent: now, give_up_at: now + patience, write });
        id
    }

    fn write(&self, kind: WriteKind, mut base: Seen, now: Moment) -> Write {
        let transitions = match (kind, self.phase) {
            (WriteKind::Renew, Phase::Holding { transitions, .. }) => transitions,
            (WriteKind::Take, _) => self.next_transitions(&base),
            _ => base.transitions,
        };
        if !self.rules.hold(Rule::NameTheVersion) {
            base.version.clear();
        }
        if !self.rules.hold(Rule::NameTheUid) {
            base.uid.clear();
        }
        let holder = (kind != WriteKind::Release).then(|| self.settings.identity.clone());
        let duration = self.settings.lease_duration;
        Write { kind, base, holder, transitions, duration, wall_micros: now.wall_micros }
    }

    fn next_transitions(&self, base: &Seen) -> u64 {
        let ours = base.holder.as_deref() == Some(self.settings.identity.as_str());
        if !self.rules.hold(if ours { Rule::RaiseForANewTerm } else { Rule::RaiseForANewHolder }) {
            return base.transitions.max(1);
        }
        if !self.rules.hold(Rule::RaiseOverEarlierLeases) {
            return base.transitions + 1;
        }
        base.transitions.max(self.highest) + 1
    }

    fn answered(&mut self, request: UnderWay, answer: Answer, now: Moment) {
        let retry_at = if self.rules.hold(Rule::RetryAfterThePeriod) {
            now.boot.max(request.sent + self.settings.retry_period)
        } else {
            now.boot + self.settings.lease_duration
        };
        let conflict = answer == Answer::Conflict;
        match (request.write, answer) {
            (None, Answer::Lease(seen)) => {
                self.read_after = retry_at;
                self.read(seen, request.sent, now);
            }
            (Some(write), Answer::Lease(seen)) => self.written(&write, seen, request.sent, now),
            (_, Answer::NotFound) => {
                self.learn_absence(now.boot);
                self.read_after = retry_at;
            }
            (None, _) => self.read_after = retry_at,
            (Some(_), Answer::Refused) => self.write_after = retry_at,
            (Some(write), Answer::Lost) if !self.rules.hold(Rule::ReadAgainAfterALostAnswer) => {
                let mut seen = write.base.clone();
                seen.holder.clone_from(&write.holder);
                seen.transitions = write.transitions;
                self.written(&write, seen, request.sent, now);
            }
            // A refused version may be our own doing: something on the way may have sent the write twice.
            (Some(write), Answer::Conflict | Answer::Lost) => {
                self.must_read = true;
                self.read_after = if conflict && self.conflicts_in_a_row == 0 { now.boot } else { retry_at };
                let known_term = self.own.as_ref().is_some_and(|(uid, _)| *uid == write.base.uid);
                if write.kind == WriteKind::Take || (write.kind == WriteKind::Renew && !known_term) {
                    self.unanswered.push((write.base.uid, write.transitions, write.wall_micros));
                }
            }
        }
        if conflict {
            self.conflicts_in_a_row = self.conflicts_in_a_row.saturating_add(1);
        }
    }
}
