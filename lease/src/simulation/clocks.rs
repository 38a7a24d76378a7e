//! What the clocks of one machine say at a true moment.

use std::time::Duration;

use crate::BootInstant;
use crate::protocol::Moment;

use super::dice::Dice;

/// A machine's clocks: none of them tells the truth.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    /// What the boot clock said at the beginning, in nanoseconds.
    booted: u64,
    /// How much faster than the truth it runs, in millionths.
    drift_ppm: i64,
    /// How wrong the wall clock is, in microseconds.
    wall_error: i64,
    /// How long the machine has been suspended.
    suspended: Duration,
    /// Whether the boot clock stands still meanwhile, as it must not.
    sleeps: bool,
}

impl Clocks {
    pub(super) fn new(dice: &mut Dice, sleeps: bool) -> Self {
        let drift_ppm = i64::try_from(dice.below(20_001)).unwrap() - 10_000;
        let booted = dice.between(1, 1_000_000_000_000_000);
        Self { booted, drift_ppm, wall_error: wall_error(dice), suspended: Duration::ZERO, sleeps }
    }

    /// The wall clock leaps.
    pub(super) fn leap(&mut self, dice: &mut Dice) {
        self.wall_error = wall_error(dice);
    }

    pub(super) fn was_suspended(&mut self, time: Duration) {
        self.suspended += time;
    }

    pub(super) fn read(&self, truth: u64) -> Moment {
        let runs = if self.sleeps { truth - u64::try_from(self.suspended.as_nanos()).unwrap() } else { truth };
        let nanos = self.booted + self.stretch(runs);
        let wall_micros = 1_800_000_000_000_000 + i64::try_from(truth / 1000).unwrap() + self.wall_error;
        Moment { boot: BootInstant::from_nanos(nanos), wall_micros }
    }

    /// The first true moment, not before `truth`, at which the boot clock says at least `local`.
    pub(super) fn when(&self, local: BootInstant, truth: u64) -> u64 {
        let ahead = i128::from(local.as_nanos()) - i128::from(self.read(truth).boot.as_nanos());
        if ahead <= 0 {
            return truth;
        }
        let mut at = truth + u64::try_from(ahead * 1_000_000 / i128::from(1_000_000 + self.drift_ppm)).unwrap();
        while self.read(at).boot < local {
            at += 1;
        }
        at
    }

    fn stretch(&self, nanos: u64) -> u64 {
        let stretched = i128::from(nanos) * i128::from(1_000_000 + self.drift_ppm) / 1_000_000;
        u64::try_from(stretched).unwrap()
    }
}

/// Mostly well set, sometimes hours off.
fn wall_error(dice: &mut Dice) -> i64 {
    let within: u64 = if dice.percent(50) { 100_000 } else { 8_000_000_000 };
    i64::try_from(dice.below(2 * within)).unwrap() - i64::try_from(within).unwrap()
}
