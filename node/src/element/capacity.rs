//! How full the element is, and what that means.
//!
//! Source of the rules: the product specification, `10-node`, section Capacity and retention.

use serde::Serialize;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Percent of the total.
    pub percent: u64,
    /// Bytes.
    pub bytes: u64,
    /// What the bytes count as at most, in percent of the total.
    pub most_percent: u64,
}

impl Threshold {
    /// Free bytes at or below which the level holds.
    pub fn free_bytes(self, total: u64) -> u64 {
        let part = |percent: u64| u64::try_from(u128::from(total) * u128::from(percent) / 100).unwrap_or(u64::MAX);
        part(self.percent).max(self.bytes.min(part(self.most_percent)))
    }
}

/// What the configuration says about capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// How full an element is whose volume has `space`, whose files take `stored` bytes, and of whose space `reserved`
    /// bytes are promised to uploads on their way.
    pub fn judge(&self, space: Option<Space>, stored: u64, reserved: u64) -> Capacity {
        let quota = self.quota_bytes.map(|total| Space { total, available: total.saturating_sub(stored) });
        let limit = match (space, quota) {
            (Some(space), Some(quota)) => {
                Some(Space { total: space.total.min(quota.total), available: space.available.min(quota.available) })
            }
            (space, quota) => space.or(quota),
        };
        let Some(Space { total, available }) = limit else {
            return Capacity { total: None, used: stored, available: None, level: Level::Ok };
        };
        let available = available.saturating_sub(reserved);
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
}

#[cfg(test)]
mod tests {
    use super::{CapacityRules, Level, Threshold};
    use crate::storage::Space;

    const GIB: u64 = 1 << 30;
    const RULES: CapacityRules = CapacityRules {
        quota_bytes: None,
        warning: Threshold { percent: 15, bytes: 10 * GIB, most_percent: 20 },
        critical: Threshold { percent: 8, bytes: 4 * GIB, most_percent: 10 },
        full: Threshold { percent: 2, bytes: GIB, most_percent: 5 },
        critical_max_file_bytes: 1 << 20,
    };

    fn level(total: u64, available: u64) -> Level {
        RULES.judge(Some(Space { total, available }), 0, 0).level
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
        let capacity = rules.judge(Some(Space { total: 1000 * GIB, available: 900 * GIB }), 60 * GIB, 30 * GIB);
        assert_eq!((capacity.total, capacity.available), (Some(100 * GIB), Some(10 * GIB)));
        assert_eq!(capacity.level, Level::Warning);
        assert_eq!(rules.judge(None, 100 * GIB, 0).level, Level::Full);
        assert_eq!(RULES.judge(None, 100 * GIB, 0).level, Level::Ok);
    }
}
