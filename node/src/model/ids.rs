//! File ids: UUIDv7 whose time is the file's `created_at`, never below the last one given.

use parking_lot::Mutex;
use uuid::Uuid;

use super::Timestamp;

/// Bits of an id below its 48 bits of time, with version and variant taken out: 74.
const RANDOM_BITS: u32 = 74;
/// Step between two ids of one millisecond. Its size keeps the 15 bits right below the time different for 32,768 ids
/// of one millisecond, which is what the catalogs make their short row numbers from.
const STEP: u128 = 1 << (RANDOM_BITS - 15);

/// Gives ids in rising order, even when the wall clock steps back.
#[derive(Debug, Default)]
pub struct FileIds {
    /// Milliseconds and the 74 bits below them, of the last id given.
    last: Mutex<(u64, u128)>,
}

impl FileIds {
    /// The next id. Its time is the wall clock's, or that of the last id where the clock stands behind it.
    pub fn next(&self) -> Uuid {
        self.next_at(Timestamp::now())
    }

    /// Never gives an id at or below `id` from now on. Used with the highest id found at start.
    pub fn raise_to(&self, id: Uuid) {
        let found = split(id);
        let mut last = self.last.lock();
        if found > *last {
            *last = found;
        }
    }

    fn next_at(&self, now: Timestamp) -> Uuid {
        let now = u64::try_from(now.millis()).unwrap_or(0);
        let random = rand::random::<u128>() & ((1 << RANDOM_BITS) - 1);
        let mut last = self.last.lock();
        *last = if now > last.0 {
            // The lower half only: leaves at least 16,384 steps within the millisecond.
            (now, random >> 1)
        } else {
            let next = (last.1 & !(STEP - 1)) + STEP + (random & (STEP - 1));
            if next >> RANDOM_BITS == 0 { (last.0, next) } else { (last.0 + 1, random >> 1) }
        };
        join(*last)
    }
}

/// The time an id carries.
pub(super) fn time_of(id: Uuid) -> Timestamp {
    Timestamp::from_millis(i64::try_from(id.as_u128() >> 80).unwrap_or(0))
}

/// The folder (`year/month/day/hour`, UTC) that the file with this id lies in: it follows from the id alone.
pub fn hour_folder(id: Uuid) -> String {
    let at = time_of(id).calendar();
    format!("{:04}/{:02}/{:02}/{:02}", at.year(), u8::from(at.month()), at.day(), at.hour())
}

fn split(id: Uuid) -> (u64, u128) {
    let bits = id.as_u128();
    let high = (bits >> 64) & 0xfff;
    let low = bits & ((1 << 62) - 1);
    (u64::try_from(bits >> 80).unwrap_or(0), (high << 62) | low)
}

fn join((millis, random): (u64, u128)) -> Uuid {
    let high = (random >> 62) & 0xfff;
    let low = random & ((1 << 62) - 1);
    Uuid::from_u128((u128::from(millis) << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::{FileIds, Timestamp, hour_folder, join, split, time_of};

    proptest! {
        #[test]
        fn ids_rise_whatever_the_clock_does(steps in proptest::collection::vec(-5_000i64..5_000, 1..200)) {
            let ids = FileIds::default();
            let mut now = 1_790_000_000_000i64;
            let mut last = Uuid::nil();
            for step in steps {
                now += step;
                let id = ids.next_at(Timestamp::from_millis(now));
                prop_assert!(id > last);
                prop_assert_eq!(id.get_version_num(), 7);
                prop_assert_eq!(join(split(id)), id);
                last = id;
            }
        }
    }

    #[test]
    fn short_row_numbers_of_one_millisecond_differ() {
        let ids = FileIds::default();
        let now = Timestamp::from_millis(1_790_000_000_000);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let id = ids.next_at(now);
            assert!(seen.insert((time_of(id), (split(id).1 >> 59))));
        }
    }

    #[test]
    fn the_folder_is_the_hour_in_utc_with_leading_zeros() {
        let ids = FileIds::default();
        let id = ids.next_at(Timestamp::parse("2026-01-02T03:59:59.999Z").unwrap());
        assert_eq!(hour_folder(id), "2026/01/02/03");
        assert_eq!(time_of(id).to_string(), "2026-01-02T03:59:59.999000Z");
    }
}
