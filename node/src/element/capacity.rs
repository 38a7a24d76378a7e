//! How full the element is, and what that means.
//!
//! Source of the rules: the product specification, `10-node`, section Capacity and retention.

use serde::Serialize;

use super::space::Promised;
use crate::storage::Space;

/// How full the element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Room for everything.
    Ok,
    /// Time to grow it.
    Warning,
    /// Only small files are taken.
    Critical,
    /// No files are taken; updating and deleting go on.
    Full,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Critical, Self::Full];

    /// The name in API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Full => "full",
        }
    }
}

/// Bytes of the element's storage. Without a limit (S3 without quota) `total` and `available` are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// Bytes in all.
    pub total: Option<u64>,
    /// Bytes in use.
    pub used: u64,
    /// Bytes that can still be written.
    pub available: Option<u64>,
    /// What that means.
    pub level: Level,
}

/// Free space at which a level begins: the larger of a part of the total and a number of bytes, the bytes counting at
/// most as `most_percent` of the total, so that a small volume is not born full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Percent of the total, 0 to 100.
    pub percent: f64,
    /// Bytes.
    pub bytes: u64,
    /// What the bytes count as at most, in percent of the total.
    pub most_percent: f64,
}

impl Threshold {
    /// Free bytes at or below which the level holds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Clamped to 0..=10,000 before.
    pub fn free_bytes(self, total: u64) -> u64 {
        let hundredths = |percent: f64| (percent * 100.0).clamp(0.0, 10_000.0).round() as u128;
        let part = |percent: f64| u64::try_from(u128::from(total) * hundredths(percent) / 10_000).unwrap_or(u64::MAX);
        part(self.percent).max(self.bytes.min(part(self.most_percent)))
    }
}

/// What the configuration says about capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityRules {
    /// Bytes this element may have in all, if it is limited beyond its volume.
    pub quota_bytes: Option<u64>,
    /// Where `warning` begins.
    pub warning: Threshold,
    /// Where `critical` begins.
    pub critical: Threshold,
    /// Where `full` begins.
    pub full: Threshold,
    /// The largest file taken at `critical`, in bytes.
    pub critical_max_file_bytes: u64,
}

impl CapacityRules {
    /// How full an element is whose volume has `space`, whose files take `stored` bytes, and of whose space some is
    /// promised to uploads on their way.
    pub fn judge(&self, space: Option<Space>, stored: u64, promised: Promised) -> Capacity {
        let taken = stored.saturating_add(promised.uncommitted);
        let quota = self.quota_bytes.map(|total| Space { total, available: total.saturating_sub(taken) });
        let space = space.map(|space| Space { available: space.available.saturating_sub(promised.unwritten), ..space });
        let limit = match (space, quota) {
            (Some(space), Some(quota)) => {
                Some(Space { total: space.total.min(quota.total), available: space.available.min(quota.available) })
            }
            (space, quota) => space.or(quota),
        };
        let Some(Space { total, available }) = limit else {
            return Capacity { total: None, used: stored, available: None, level: Level::Ok };
        };
        let below = |threshold: Threshold| available <= threshold.free_bytes(total);
        let level = if below(self.full) {
            Level::Full
        } else if below(self.critical) {
            Level::Critical
        } else if below(self.warning) {
            Level::Warning
        } else {
            Level::Ok
        };
        Capacity { total: Some(total), used: total.saturating_sub(available), available: Some(available), level }
    }

    /// Whether a file of `bytes` more may be taken at this capacity; if not, why. `bytes` may include framing.
    pub fn takes(&self, capacity: Capacity, bytes: u64) -> Result<(), String> {
        let (Some(total), Some(available)) = (capacity.total, capacity.available) else { return Ok(()) };
        let most = self.critical_max_file_bytes;
        match capacity.level {
            Level::Full => Err("no space is left for new files; updating and deleting go on".to_owned()),
            Level::Critical if bytes > most.saturating_add(FRAMING_BYTES) => {
                Err(format!("little space is left: only files up to {most} bytes are taken"))
            }
            // The last part of a volume is never given to files: deleting and updating need some of it.
            _ if available.saturating_sub(bytes) < self.full.free_bytes(total) || bytes > available => Err(format!(
                "{bytes} bytes do not fit: {available} bytes are left, of which files do not get the last {}",
                self.full.free_bytes(total)
            )),
            _ => Ok(()),
        }
    }
}

/// What the fields and the framing of a request may take beside its file, in bytes.
const FRAMING_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::{CapacityRules, Level, Promised, Threshold};
    use crate::storage::Space;

    const GIB: u64 = 1 << 30;
    const RULES: CapacityRules = CapacityRules {
        quota_bytes: None,
        warning: Threshold { percent: 15.0, bytes: 10 * GIB, most_percent: 20.0 },
        critical: Threshold { percent: 8.0, bytes: 4 * GIB, most_percent: 10.0 },
        full: Threshold { percent: 2.0, bytes: GIB, most_percent: 5.0 },
        critical_max_file_bytes: 1 << 20,
    };

    fn level(total: u64, available: u64) -> Level {
        RULES.judge(Some(Space { total, available }), 0, Promised::default()).level
    }

    #[test]
    fn a_small_volume_is_not_born_full() {
        assert_eq!(level(GIB, GIB), Level::Ok);
        assert_eq!(level(GIB, GIB / 5), Level::Warning);
        assert_eq!(level(GIB, GIB / 10), Level::Critical);
        assert_eq!(level(GIB, GIB / 20), Level::Full);
    }

    #[test]
    fn on_a_large_volume_percent_counts_in_between_bytes() {
        assert_eq!(level(60 * GIB, 11 * GIB), Level::Ok);
        assert_eq!(level(60 * GIB, 10 * GIB), Level::Warning);
        assert_eq!(level(1000 * GIB, 150 * GIB), Level::Warning);
        assert_eq!(level(1000 * GIB, 80 * GIB), Level::Critical);
        assert_eq!(level(1000 * GIB, 20 * GIB), Level::Full);
    }

    #[test]
    fn a_quota_and_what_is_promised_count() {
        let rules = CapacityRules { quota_bytes: Some(100 * GIB), ..RULES };
        let space = Some(Space { total: 1000 * GIB, available: 900 * GIB });
        let promised = Promised { unwritten: 10 * GIB, uncommitted: 30 * GIB, ever: 0 };
        let capacity = rules.judge(space, 60 * GIB, promised);
        assert_eq!((capacity.total, capacity.available), (Some(100 * GIB), Some(10 * GIB)));
        assert_eq!(capacity.level, Level::Warning);
        assert_eq!(rules.judge(None, 100 * GIB, Promised::default()).level, Level::Full);
        assert_eq!(RULES.judge(None, 100 * GIB, Promised::default()).level, Level::Ok);
    }

    #[test]
    fn the_last_part_is_kept_for_updating_and_deleting() {
        let at = |available| RULES.judge(Some(Space { total: 100 << 20, available }), 0, Promised::default());
        assert!(RULES.takes(at(100 << 20), 95 << 20).is_ok());
        assert!(RULES.takes(at(100 << 20), 96 << 20).is_err());
        assert!(RULES.takes(at(9 << 20), 1 << 20).is_ok());
        assert!(RULES.takes(at(9 << 20), 2 << 20).is_err(), "critical takes small files only");
        assert!(RULES.takes(at(5 << 20), 0).is_err(), "full takes none");
    }
}
