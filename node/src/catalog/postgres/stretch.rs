//! How far back a search has to look.
//!
//! A word that is in one file of twenty is in fifty thousand of a million. To read them all for the newest hundred takes
//! long, and so does walking from the newest on past all the others. But a stretch of time can be looked up together with
//! the word, and where the newest matches begin can be guessed from how often the word comes among the newest files. A
//! guess that was wrong costs little: of a stretch with too many matches no more are read than would be bearable.

/// The shortest time that is looked up, in bits of a microsecond: a second.
const SHORTEST: u32 = 20;
/// Each length of span is so many bits longer than the one before; see `time_spans` in the migrations.
const STEP: u32 = 4;
/// Lengths of spans there are.
const LENGTHS: u32 = 8;
/// A stretch is made of so many spans at most.
const SPANS: i64 = 32;
/// Looks before the smallest stretch that has enough is taken as it is.
const LOOKS: u32 = 14;

/// A stretch of time in microseconds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Stretch {
    /// Spans of one length that hold all of it, by their numbers in `time_spans`.
    pub(super) fn spans(self) -> Vec<i64> {
        let within = |length: u32| {
            let bits = SHORTEST + STEP * length;
            (self.from >> bits, self.to >> bits)
        };
        let few = |length: &u32| {
            let (first, last) = within(*length);
            last - first < SPANS
        };
        let length = (0..LENGTHS).find(few).unwrap_or(LENGTHS - 1);
        let (first, last) = within(length);
        (first..=last).map(|span| (span << 3) + i64::from(length)).collect()
    }
}

/// Where to look next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) stretch: Stretch,
    /// With more matches than these it is too long; `None`: take what is there.
    pub(super) most: Option<u64>,
}

/// A search for the stretch that begins at one end of all files and holds enough matches, but not too many.
#[derive(Clone, Debug)]
pub(super) struct Hunt {
    near: i64,
    far: i64,
    /// Matches that are enough.
    enough: u64,
    most: Option<u64>,
    length: u64,
    too_short: u64,
    too_long: Option<u64>,
    looks: u32,
}

impl Hunt {
    /// Files stand from `near` to `far`, earlier or later; up to `seen` there are `found` matches.
    pub(super) fn new((near, far): (i64, i64), seen: i64, found: u64, enough: u64, most: u64) -> Self {
        let length = near.abs_diff(seen);
        let hunt =
            Self { near, far, enough, most: Some(most), length, too_short: length, too_long: None, looks: LOOKS };
        Self { length: hunt.longer(found), ..hunt }
    }

    pub(super) fn look(&self) -> Look {
        let length = i64::try_from(self.length).unwrap_or(i64::MAX);
        let stretch = if self.far <= self.near {
            Stretch { from: self.near.saturating_sub(length).max(self.far), to: self.near }
        } else {
            Stretch { from: self.near, to: self.near.saturating_add(length).min(self.far) }
        };
        Look { stretch, most: self.most }
    }

    /// Goes on after a look that found so many matches; false when they are what was wanted.
    pub(super) fn goes_on(&mut self, found: u64) -> bool {
        let Some(most) = self.most else { return false };
        let whole = self.near.abs_diff(self.far);
        if found > most {
            self.too_long = Some(self.length);
        } else if found >= self.enough || self.length >= whole {
            return false;
        } else {
            self.too_short = self.length;
        }
        self.looks -= 1;
        let longer = self.longer(found);
        self.length = match self.too_long {
            None => longer,
            Some(too_long) => longer.min(between(self.too_short, too_long)),
        };
        let narrow = self.too_long.is_some_and(|too_long| too_long - self.too_short <= 1 << SHORTEST);
        if narrow || self.looks == 0 {
            (self.length, self.most) = (self.too_long.unwrap_or(whole), None);
        }
        true
    }

    /// How long it would have to be if matches come as often as so far.
    fn longer(&self, found: u64) -> u64 {
        let length = self.length.max(1 << SHORTEST);
        let wanted = self.enough.saturating_mul(5) / 4;
        let times = wanted.checked_div(found).map_or(16, |times| (times + 1).clamp(2, 4096));
        length.saturating_mul(times).min(self.near.abs_diff(self.far))
    }
}

/// As many times longer than the one as shorter than the other.
fn between(short: u64, long: u64) -> u64 {
    let product = u128::from(short.max(1 << (SHORTEST - STEP))) * u128::from(long);
    u64::try_from(product.isqrt()).unwrap_or(long)
}

#[cfg(test)]
mod tests {
    use super::{Hunt, Look, Stretch};

    #[test]
    fn spans_hold_the_stretch_and_are_few() {
        for (from, to) in [(0, 0), (5, 1 << 20), (1_700_000_000_000_000, 1_800_000_000_000_000), (-(1 << 50), 1 << 57)]
        {
            let spans = Stretch { from, to }.spans();
            let length = spans[0] & 7;
            let bits = 20 + 4 * length;
            assert!(spans.iter().all(|span| span & 7 == length));
            assert_eq!((spans[0] >> 3, spans[spans.len() - 1] >> 3), (from >> bits, to >> bits));
            assert!(spans.len() <= 32 || length == 7, "{spans:?}");
        }
    }

    /// Matches at these moments, hunted from the latest file or the first one on.
    fn hunted(moments: &[i64], (near, far): (i64, i64), enough: u64, most: u64) -> (u64, u32) {
        let found = |Look { stretch, most }: Look| {
            let within = moments.iter().filter(|at| (stretch.from..=stretch.to).contains(at)).count() as u64;
            most.map_or(within, |most| within.min(most + 1))
        };
        let mut hunt = Hunt::new((near, far), near, 0, enough, most);
        for looks in 1..=20 {
            let seen = found(hunt.look());
            if !hunt.goes_on(seen) {
                return (seen, looks);
            }
        }
        panic!("it never ends");
    }

    #[test]
    fn enough_is_found_wherever_matches_lie() {
        const SECOND: i64 = 1_000_000;
        const LAST: i64 = 1_000_000 * SECOND;
        let all: Vec<i64> = (0..100_000).map(|n| n * 10 * SECOND).collect();
        let old: Vec<i64> = (0..100_000).map(|n| n * SECOND).collect();
        let burst: Vec<i64> = (0..50_000).map(|n| LAST / 3 + n).collect();
        for moments in [&all, &old, &burst] {
            for ends in [(LAST, 0), (0, LAST)] {
                let (found, looks) = hunted(moments, ends, 100, 2_000);
                assert!(found >= 100 && looks <= 15, "{found} in {looks}");
                assert!(found <= 2_000 || std::ptr::eq(moments, &raw const burst), "{found}");
            }
        }
        // Fewer than wanted: all of them, not more than once round.
        assert_eq!(hunted(&all[..50], (LAST, 0), 100, 2_000).0, 50);
        assert_eq!(hunted(&[], (0, 0), 100, 2_000), (0, 1));
    }
}
