//! What an observation changes in what is known, and in what may be believed.

use super::known::{Known, Lease, is_before};
use super::rules::Rule;
use super::state::{Phase, State};
use super::{Moment, Seen, Wish, Write, WriteKind};
use crate::BootInstant;

impl State {
    /// The Lease was seen, by the watch or as the answer to a write.
    pub(super) fn learn(&mut self, seen: Seen, now: Moment) {
        let (unchanged, replaced) = match &self.lease {
            Lease::There(known) if known.seen.uid == seen.uid => {
                if is_before(&seen, &known.seen) && self.rules.hold(Rule::IgnoreThePast) {
                    return;
                }
                (known.seen.version == seen.version, known.replaced.filter(|_| seen.holder.is_none()))
            }
            Lease::There(known) if is_before(&seen, &known.seen) => return,
            _ => (false, self.last.as_ref().filter(|(uid, _)| *uid != seen.uid).map(|(_, duration)| *duration)),
        };
        if unchanged {
            return;
        }
        let changed_at = if self.rules.hold(Rule::JudgeByOwnClock) { now.boot } else { by_the_wall(&seen, now) };
        self.must_read = false;
        self.highest = self.highest.max(seen.transitions);
        if seen.holder.as_ref().is_some_and(|holder| *holder != self.settings.identity) {
            self.conflicts_in_a_row = 0;
        }
        if !self.rules.hold(Rule::AnEarlierLifeIsAStranger)
            && self.phase == Phase::Following
            && seen.holder.as_deref() == Some(self.settings.identity.as_str())
        {
            let deadline = now.boot + self.settings.renew_deadline;
            self.own = Some((seen.uid.clone(), seen.transitions));
            self.phase = Phase::Holding { transitions: seen.transitions, deadline, sent: now.boot };
        }
        // Another version came between, so a take that was decided on an earlier one can no longer happen.
        let ours = self.is_ours(&seen);
        if !ours {
            self.unanswered.clear();
        }
        let made_again = seen.never_held() && self.own.as_ref().is_some_and(|(uid, _)| *uid != seen.uid);
        if matches!(self.phase, Phase::Holding { .. }) && !ours && !made_again {
            self.phase = Phase::Following;
        }
        let known = Known { seen, changed_at, replaced };
        self.last = Some((known.seen.uid.clone(), known.recorded().unwrap_or_default()));
        self.lease = Lease::There(known);
    }

    /// There is no Lease. Its holder goes on until the deadline: nobody can take what is not there, and whoever sees it
    /// made again waits for a duration.
    pub(super) fn learn_absence(&mut self, now: BootInstant) {
        self.lease = Lease::Absent;
        self.must_read = false;
        self.read_after = self.read_after.max(now + self.settings.retry_period);
        if let Phase::Holding { deadline, .. } = &mut self.phase
            && !self.rules.hold(Rule::ADeletedLeaseIsNotHeld)
        {
            *deadline = now + self.settings.renew_deadline;
        }
    }

    /// The answer to a read that was sent at `sent`: the truth as of some moment since then.
    pub(super) fn read(&mut self, seen: Seen, sent: BootInstant, now: Moment) {
        match &self.lease {
            // The watch was faster.
            Lease::There(known) if known.changed_at >= sent && is_before(&seen, &known.seen) => return,
            Lease::There(known) => {
                if is_before(&seen, &known.seen) {
                    // Versions went back: the cluster was restored. Only a read can tell.
                    self.lease = Lease::Unread;
                    self.end_watch(now.boot);
                } else if known.seen.version != seen.version && self.silent_at() <= now.boot {
                    self.end_watch(now.boot);
                }
            }
            Lease::Unread => self.watched_at = now.boot,
            Lease::Absent => {}
        }
        self.learn(seen, now);
        self.must_read = false;
    }

    /// Another watch is begun, but not without a pause.
    pub(super) fn end_watch(&mut self, now: BootInstant) {
        if let Some(since) = self.watching_since.take() {
            self.watch_after = now.max(since + self.settings.retry_period);
        }
    }

    /// A write was confirmed. Terms begin and go on here and nowhere else: what was only read may be older than it
    /// looks.
    pub(super) fn written(&mut self, write: &Write, seen: Seen, sent: BootInstant, now: Moment) {
        self.conflicts_in_a_row = 0;
        if write.kind != WriteKind::Release {
            self.own = Some((seen.uid.clone(), write.transitions));
        }
        self.learn(seen, now);
        let counted_from = if self.rules.hold(Rule::CountFromBeforeSending) { sent } else { now.boot };
        let deadline = counted_from + self.settings.renew_deadline;
        // The watch may already have shown that somebody changed it since.
        let stands = self.lease.known().is_some_and(|known| self.is_ours(&known.seen)) && deadline > now.boot;
        match (write.kind, self.phase) {
            (WriteKind::Renew, Phase::Holding { transitions, .. }) if stands => {
                self.phase = Phase::Holding { transitions, deadline, sent };
            }
            (WriteKind::Take, Phase::Following) if stands => {
                self.aside_until = None;
                self.phase = Phase::Holding { transitions: write.transitions, deadline, sent };
            }
            (WriteKind::Release, Phase::Leaving { last, .. }) => self.has_left(last),
            _ => {}
        }
    }

    pub(super) fn wished(&mut self, wish: Wish, now: BootInstant) {
        let last = match wish {
            Wish::NewTerm => {
                if matches!(self.phase, Phase::Holding { .. }) {
                    self.phase = Phase::Following;
                }
                return;
            }
            Wish::Release => true,
            Wish::StandAside(time) => {
                self.aside_until = Some(now + time);
                false
            }
        };
        let until = match self.phase {
            Phase::Ended => return,
            Phase::Holding { deadline, .. } => deadline,
            // A take that was sent may still succeed, and would then have to be given up.
            Phase::Following => now + self.settings.renew_deadline,
            Phase::Leaving { until, last: already } => {
                self.phase = Phase::Leaving { until, last: last || already };
                return;
            }
        };
        self.phase = Phase::Leaving { until, last };
    }

    pub(super) fn has_left(&mut self, last: bool) {
        self.phase = if last { Phase::Ended } else { Phase::Following };
        if last {
            self.under_way = None;
        }
    }

    /// Whether the Lease, as seen, is certainly the work of this process: its term, going on or over, or a take of its
    /// own whose answer was lost. The name alone does not say so, it may be an earlier life's.
    pub(super) fn is_ours(&self, seen: &Seen) -> bool {
        let term =
            self.own.as_ref().is_some_and(|(uid, transitions)| *uid == seen.uid && *transitions == seen.transitions);
        // The watch may show a write before its answer comes.
        let sent = self.under_way.as_ref().and_then(|request| request.write.as_ref()).map(Write::mark);
        let mark = (seen.uid.as_str(), seen.transitions, seen.renewed_micros);
        let lost = self.unanswered.iter().map(|(uid, transitions, micros)| (uid.as_str(), *transitions, Some(*micros)));
        let marked = lost.chain(sent).any(|sent| sent == mark);
        seen.holder.as_deref() == Some(self.settings.identity.as_str()) && (term || marked)
    }
}

/// When the holder says it renewed, by its wall clock, put on ours: what nobody should do.
fn by_the_wall(seen: &Seen, now: Moment) -> BootInstant {
    let age = now.wall_micros.saturating_sub(seen.renewed_micros.unwrap_or(now.wall_micros));
    let age = u64::try_from(age).unwrap_or(0).saturating_mul(1000);
    BootInstant::from_nanos(now.boot.as_nanos().saturating_sub(age))
}
