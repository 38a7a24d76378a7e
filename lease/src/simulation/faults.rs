//! What goes wrong.

use std::time::Duration;

use super::dice::Dice;

/// Something that goes wrong, at some candidate's place or at the server, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGSTOP, or a machine without time for it.
    Stop,
    /// The machine is suspended: only the boot clock goes on.
    Suspend,
    /// SIGKILL. After the time a new process comes, often under the same identity.
    Kill,
    /// Nothing gets to the server.
    CutTo,
    /// Nothing comes from the server: what was written there was written.
    CutFrom,
    /// Neither.
    Cut,
    /// Answers take seconds.
    Slow,
    /// The watch shows the past.
    SlowWatch,
    /// The watch breaks, and the candidate is told.
    BreakWatch,
    /// The watch breaks, and the candidate is not told.
    SilenceWatch,
    /// The Lease is deleted, and after the time made again.
    Delete,
    /// Somebody labels the Lease: another version, nothing else.
    Touch,
    /// Somebody edits the duration down.
    ShortenDuration,
    /// The wall clock leaps.
    WallLeap,
    /// The server answers with errors, having done what was asked or not.
    Errors,
    /// The owner wants to stand aside.
    StandAside,
    /// The owner gives up; a new process comes after the time.
    Release,
    /// The epoch was passed.
    PassEpoch,
}

const ALL: [Fault; 18] = [
    Fault::Stop,
    Fault::Suspend,
    Fault::Kill,
    Fault::CutTo,
    Fault::CutFrom,
    Fault::Cut,
    Fault::Slow,
    Fault::SlowWatch,
    Fault::BreakWatch,
    Fault::SilenceWatch,
    Fault::Delete,
    Fault::Touch,
    Fault::ShortenDuration,
    Fault::WallLeap,
    Fault::Errors,
    Fault::StandAside,
    Fault::Release,
    Fault::PassEpoch,
];

/// When what happens, to whom, for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) at: u64,
    pub(super) fault: Fault,
    /// Whoever holds the Lease then, rather than this one.
    pub(super) at_the_holder: bool,
    pub(super) place: usize,
    pub(super) lasts: Duration,
}

/// The troubles of one world until `calm_at`.
pub(super) fn plan(dice: &mut Dice, places: usize, calm_at: u64, longest: Duration) -> Vec<Planned> {
    // Each world has its own few kinds of trouble, so that some see one thing over and over, and alone.
    let kinds: Vec<Fault> = ALL.into_iter().filter(|_| dice.percent(35)).collect();
    let count = if kinds.is_empty() { 0 } else { dice.between(1, 14) };
    let longest_ms = u64::try_from(longest.as_millis()).unwrap();
    let one = |_| {
        let short = dice.percent(40);
        Planned {
            at: dice.below(calm_at),
            fault: kinds[usize::try_from(dice.below(kinds.len() as u64)).unwrap()],
            at_the_holder: dice.percent(60),
            place: usize::try_from(dice.below(places as u64)).unwrap(),
            lasts: dice.millis(1, if short { longest_ms / 10 } else { longest_ms * 2 }),
        }
    };
    (0..count).map(one).collect()
}
