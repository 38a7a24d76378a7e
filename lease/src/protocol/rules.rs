//! The rules of the protocol, each with a name, so that a test can break one and see that it is missed.

/// A rule of the election. In a program they all hold; in a simulation one may be broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Every write names the version it was decided on. Without, a late write undoes what came between.
    NameTheVersion,
    /// Every write names the Lease's UID. Without, an update of a Lease that is gone *makes* one: that kind allows it.
    NameTheUid,
    /// A Lease expires when no change was *seen* for its duration. Wall clocks of two machines say nothing.
    JudgeByOwnClock,
    /// The duration that the holder wrote counts when it is longer than ours: its deadline goes with that one.
    HonourALongerDuration,
    /// Ours counts when it is longer: what stands in the Lease may be anyone's edit.
    HonourOurOwnDuration,
    /// An expired Lease is taken at the moment it expires, not when somebody next looks.
    TakeAtTheExactMoment,
    /// Nor when a read comes back that is under way then.
    NoReadHoldsUpATake,
    /// Whether a write happened whose answer was lost is not known until the Lease is read again.
    ReadAgainAfterALostAnswer,
    /// The deadline counts from before the renewal was sent. The server may have applied it right then, and from there
    /// on others count.
    CountFromBeforeSending,
    /// From the deadline on nothing is held, whatever is heard.
    StopAtTheDeadline,
    /// A Lease that was given up is free at once.
    TakeAReleasedLeaseAtOnce,
    /// A holder that gives the Lease up stops writing before it says so.
    StopBeforeReleasing,
    /// Transitions rise when the holder changes.
    RaiseForANewHolder,
    /// Transitions rise when the same process begins a new term.
    RaiseForANewTerm,
    /// Transitions do not fall when a Lease is made again.
    RaiseOverEarlierLeases,
    /// A Lease that nobody ever held may have been made again, so it is watched for a duration first.
    WaitForAnUnheldLease,
    /// A Lease that was deleted is not held beyond the deadline.
    ADeletedLeaseIsNotHeld,
    /// An earlier life under the same identity is another holder.
    AnEarlierLifeIsAStranger,
    /// A holder renews at half its deadline, so that a failure leaves time for another attempt.
    RenewAtHalfTheDeadline,
    /// What failed is tried again after the retry period.
    RetryAfterThePeriod,
    /// No request is waited for until nothing is left of the deadline.
    GiveUpBeforeTheDeadline,
    /// One that stands aside leaves the Lease to others.
    StandAside,
    /// One that stands aside comes back when nobody else takes the Lease.
    ComeBackWhenNobodyTakesIt,
    /// A watch that lags shows the past.
    IgnoreThePast,
    /// A watch that says nothing is not believed for long.
    LookWhenTheWatchIsSilent,
}

/// Which rule is broken, if one is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    #[cfg(test)]
    pub(super) broken: Option<Rule>,
}

impl Rules {
    /// Whether the rule holds: always, outside of tests.
    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "tests ask which rule is broken")]
    pub(super) const fn hold(self, _: Rule) -> bool {
        true
    }

    /// Whether the rule holds.
    #[cfg(test)]
    pub(super) fn hold(self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }
}
