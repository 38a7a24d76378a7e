//! Decisions that only a seed and the number of the event determine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Faults come in bursts too, as one that is over at the next try proves little: of all stretches of so many events an
/// eighth are bursts, in which most events are faults, and an eighth are storms, in which nothing gets through in time.
const STRETCH_EVENTS: u64 = 24;
const STRETCHES: u64 = 16;
const BURST_PER_MILLE: u64 = 900;

/// Where decisions come from.
#[derive(Debug)]
pub(super) struct Dice {
    seed: u64,
    events: AtomicU64,
    per_mille: u64,
}

/// The decision about one event: a fixed sequence of numbers.
#[derive(Clone, Debug)]
pub(super) struct Roll {
    state: u64,
    /// Nothing gets through in time, and what gets through later matters.
    pub(super) storm: bool,
}

impl Dice {
    /// The seed also says how bad it gets: from one event in twenty to one in four.
    pub(super) fn new(seed: u64) -> Self {
        let per_mille = [50, 100, 170, 250][usize::try_from(mix(seed) % 4).unwrap_or(0)];
        Self { seed: mix(seed), events: AtomicU64::new(0), per_mille }
    }

    /// What happens to the next event, if anything.
    pub(super) fn next(&self) -> Option<Roll> {
        let event = self.events.fetch_add(1, Ordering::Relaxed);
        let (per_mille, storm) = match mix(self.seed.rotate_left(17) ^ (event / STRETCH_EVENTS)) % STRETCHES {
            0 | 1 => (BURST_PER_MILLE, false),
            2 | 3 => (1000, true),
            _ => (self.per_mille, false),
        };
        let mut roll = Roll { state: self.seed ^ mix(event.wrapping_add(1)), storm };
        (roll.below(1000) < per_mille).then_some(roll)
    }
}

impl Roll {
    /// A number from 0 to `end`, the end not included.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.state = mix(self.state);
        self.state % end.max(1)
    }

    /// A time, in most cases near the lower end.
    pub(super) fn time(&mut self, least: Duration, most: Duration) -> Duration {
        let spread = most.saturating_sub(least).as_micros();
        let spread = u64::try_from(spread).unwrap_or(u64::MAX);
        let (one, other) = (self.below(spread), self.below(spread));
        least + Duration::from_micros(one.min(other))
    }

    /// A place inside of so many bytes: neither all nor, where there are two, none.
    pub(super) fn place(&mut self, bytes: usize) -> usize {
        let place = self.below(u64::try_from(bytes).unwrap_or(u64::MAX));
        usize::try_from(place).unwrap_or(0).max(1).min(bytes.saturating_sub(1))
    }
}

/// One step of SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn the_same_seed_decides_the_same_and_another_differently() {
        let decisions = |seed| {
            let dice = Dice::new(seed);
            (0..1000).map(|_| dice.next().map(|mut roll| roll.below(1 << 40))).collect::<Vec<_>>()
        };
        assert_eq!(decisions(7), decisions(7));
        assert_ne!(decisions(7), decisions(8));
        let faults = decisions(7).iter().flatten().count();
        assert!((20..700).contains(&faults), "{faults} of 1000");
    }
}
