//! What comes next, and when. One place says both, so that no wake-up is missed.

use super::known::{Known, Lease};
use super::rules::Rule;
use super::state::{Phase, State};
use super::{Seen, WriteKind};
use crate::BootInstant;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Read the Lease.
    Read,
    /// Write the Lease that was seen.
    Write(WriteKind, Seen),
    /// Begin to watch it.
    Watch { after: String },
    /// There is nothing, or nothing more, to give up.
    Leave { last: bool },
}

impl State {
    /// The next moment at which time alone changes something, and [`step`](Self::step) has to be called.
    #[must_use]
    pub fn next_wake(&self) -> Option<BootInstant> {
        let ends = match self.phase {
            Phase::Holding { deadline, .. } => Some(deadline),
            Phase::Leaving { until, .. } => Some(until),
            Phase::Following | Phase::Ended => None,
        };
        let gives_up = self.under_way.as_ref().map(|request| request.give_up_at);
        let does = self.plan().map(|(at, _)| at);
        [ends, gives_up, does].into_iter().flatten().min()
    }

    /// The next thing to do and when, if nothing else happens.
    pub(super) fn plan(&self) -> Option<(BootInstant, Deed)> {
        let next = match self.phase {
            Phase::Ended => None,
            Phase::Following => Some(self.following()),
            Phase::Holding { sent, .. } => Some(self.holding(sent)),
            Phase::Leaving { last, .. } => Some(self.leaving(last)),
        };
        let next = match self.under_way.as_ref().map(|request| request.write.is_some()) {
            // What a write comes to has to be known before anything else is decided.
            Some(true) => None,
            // A read only serves decisions. When one can be made without it, it is in the way.
            Some(false) => next.filter(|(_, deed)| *deed != Deed::Read),
            None => next,
        };
        let watch = self.watch().into_iter();
        next.into_iter().chain(watch).min_by_key(|(at, _)| *at)
    }

    /// There is always a watch, but where there is nothing to begin it from.
    fn watch(&self) -> Option<(BootInstant, Deed)> {
        let Lease::There(known) = &self.lease else { return None };
        let wanted = self.watching_since.is_none() && self.phase != Phase::Ended;
        wanted.then(|| (self.watch_after, Deed::Watch { after: known.seen.version.clone() }))
    }

    /// A holder renews at half its deadline. A watch that has not shown that for longer than it should take may be
    /// broken without knowing it.
    pub(super) fn silent_at(&self) -> BootInstant {
        self.watched_at + self.settings.renewal_interval() + self.settings.retry_period
    }

    fn following(&self) -> (BootInstant, Deed) {
        let read = (self.read_after, Deed::Read);
        let Lease::There(known) = &self.lease else { return read };
        if self.must_read {
            return read;
        }
        let take = (self.take_at(known).max(self.write_after), Deed::Write(WriteKind::Take, known.seen.clone()));
        let look = (self.silent_at().max(self.read_after), Deed::Read);
        let reads = self.under_way.is_some() && self.rules.hold(Rule::NoReadHoldsUpATake);
        let looks = !reads && self.rules.hold(Rule::LookWhenTheWatchIsSilent);
        if looks && look.0 < take.0 { look } else { take }
    }

    fn holding(&self, sent: BootInstant) -> (BootInstant, Deed) {
        let Lease::There(known) = &self.lease else { return (self.read_after, Deed::Read) };
        if self.must_read {
            return (self.read_after, Deed::Read);
        }
        let interval = if self.rules.hold(Rule::RenewAtHalfTheDeadline) {
            self.settings.renewal_interval()
        } else {
            self.settings.renew_deadline
        };
        // One that was made again is not ours yet: it becomes so before anyone else may take it.
        let due = if self.is_ours(&known.seen) { sent + interval } else { BootInstant::ZERO };
        (due.max(self.write_after), Deed::Write(WriteKind::Renew, known.seen.clone()))
    }

    fn leaving(&self, last: bool) -> (BootInstant, Deed) {
        match &self.lease {
            _ if self.must_read => (self.read_after, Deed::Read),
            Lease::There(known) if self.is_ours(&known.seen) => {
                (self.write_after, Deed::Write(WriteKind::Release, known.seen.clone()))
            }
            _ => (BootInstant::ZERO, Deed::Leave { last }),
        }
    }

    /// When the Lease may be taken.
    fn take_at(&self, known: &Known) -> BootInstant {
        let ours = self.settings.lease_duration;
        let duration = match known.recorded() {
            Some(_) if !self.rules.hold(Rule::HonourALongerDuration) => ours,
            Some(recorded) if !self.rules.hold(Rule::HonourOurOwnDuration) => recorded,
            recorded => recorded.unwrap_or_default().max(ours),
        };
        let expires_at = known.changed_at + duration;
        let released = if known.seen.never_held() {
            self.settings.take_unheld_at_once || !self.rules.hold(Rule::WaitForAnUnheldLease)
        } else {
            known.seen.holder.is_none() && known.replaced.is_none() && self.rules.hold(Rule::TakeAReleasedLeaseAtOnce)
        };
        let free_at = if released { known.changed_at } else { expires_at };
        let at = match self.aside_until {
            // Any other candidate takes what lies free at once. When for a duration none has, there is none.
            Some(until) if self.rules.hold(Rule::StandAside) => {
                let unwanted_at = if self.rules.hold(Rule::ComeBackWhenNobodyTakesIt) { free_at + ours } else { until };
                free_at.max(until.min(unwanted_at))
            }
            // A term of this very process that is over: nobody else has taken it since.
            _ if self.is_ours(&known.seen) => BootInstant::ZERO,
            _ => free_at,
        };
        if self.rules.hold(Rule::TakeAtTheExactMoment) { at } else { self.next_look(at) }
    }

    /// As one who only looks every retry period would.
    fn next_look(&self, at: BootInstant) -> BootInstant {
        let period = u64::try_from(self.settings.retry_period.as_nanos()).unwrap_or(u64::MAX);
        BootInstant::from_nanos(at.as_nanos().next_multiple_of(period))
    }
}
