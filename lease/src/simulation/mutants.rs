//! Each rule, broken on purpose: the simulation has to miss it.

use super::{Broken, play};
use crate::protocol::Rule;

/// Worlds in which a rule that is broken has to show.
const WITHIN: u64 = 4_000;

fn is_missed(broken: Broken) {
    let found = (0..WITHIN).find_map(|seed| play(seed, broken).err().map(|what| (seed, what)));
    let Some((seed, violation)) = found else { panic!("{broken:?} is broken, and no world of {WITHIN} shows it") };
    println!("{broken:?}: seed {seed}: {}", violation.0);
}

macro_rules! missed {
    ($($name:ident: $rule:ident,)+) => {
        $(#[test] fn $name() { is_missed(Broken::Rule(Rule::$rule)); })+
    };
}

missed! {
    without_a_version_in_writes: NameTheVersion,
    without_a_uid_in_writes: NameTheUid,
    with_expiry_by_wall_clocks: JudgeByOwnClock,
    with_a_longer_recorded_duration_ignored: HonourALongerDuration,
    with_our_own_longer_duration_ignored: HonourOurOwnDuration,
    with_expiry_noticed_by_polling: TakeAtTheExactMoment,
    with_a_take_held_up_by_a_read: NoReadHoldsUpATake,
    with_a_lost_answer_taken_for_yes: ReadAgainAfterALostAnswer,
    with_a_deadline_counted_from_the_answer: CountFromBeforeSending,
    without_a_deadline: StopAtTheDeadline,
    with_a_released_lease_waited_out: TakeAReleasedLeaseAtOnce,
    with_a_release_before_the_stop: StopBeforeReleasing,
    with_transitions_kept_for_a_new_holder: RaiseForANewHolder,
    with_transitions_kept_for_a_new_term: RaiseForANewTerm,
    with_transitions_that_begin_again: RaiseOverEarlierLeases,
    with_an_unheld_lease_taken_at_once: WaitForAnUnheldLease,
    with_a_deleted_lease_held_on: ADeletedLeaseIsNotHeld,
    with_an_earlier_life_believed: AnEarlierLifeIsAStranger,
    with_renewal_at_the_deadline: RenewAtHalfTheDeadline,
    without_retries: RetryAfterThePeriod,
    with_answers_waited_for_too_long: GiveUpBeforeTheDeadline,
    without_standing_aside: StandAside,
    with_standing_aside_though_nobody_takes_it: ComeBackWhenNobodyTakesIt,
    with_a_lagging_watch_believed: IgnoreThePast,
    with_a_silent_watch_believed: LookWhenTheWatchIsSilent,
}

#[test]
fn with_a_clock_that_sleeps() {
    is_missed(Broken::ClockSleeps);
}
