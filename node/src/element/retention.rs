//! How long files are kept: pure rules.
//!
//! Source of the rules: the product specification, `10-node`, section Capacity and retention, and `15-api`, Update.

use std::time::Duration;

use crate::model::{Attr, FileStatus, Timestamp};

/// What the configuration says about retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionRules {
    /// No file may be deleted sooner, in days after it came.
    pub minimum_days: u32,
    /// Files expire by themselves after so many days; only in `edit`.
    pub time_to_live_days: Option<u32>,
    /// How long the bytes of a deleted file stay.
    pub deleted_grace: Duration,
}

/// What keeps a file from being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Until when, if a date keeps it.
    pub until: Option<Timestamp>,
    /// Whether a hold keeps it.
    pub legal_hold: bool,
}

impl RetentionRules {
    /// The moment until which the element's minimum keeps a file.
    fn minimum(&self, attr: &Attr) -> Option<Timestamp> {
        (self.minimum_days > 0).then(|| attr.created_at.plus_days(self.minimum_days))
    }

    /// The later of the file's own date and the element's minimum: what is shown, and what counts.
    pub fn effective_until(&self, attr: &Attr) -> Option<Timestamp> {
        attr.retention_until.max(self.minimum(attr))
    }

    /// What keeps a file from being deleted now, if anything does.
    pub fn kept(&self, attr: &Attr, now: Timestamp) -> Option<Kept> {
        let until = self.effective_until(attr).filter(|until| *until > now);
        (attr.legal_hold || until.is_some()).then_some(Kept { until, legal_hold: attr.legal_hold })
    }

    /// The date a file gets that is asked to be kept until `wish`: never below the element's minimum.
    pub fn raised(&self, attr: &Attr, wish: Timestamp) -> Timestamp {
        self.minimum(attr).map_or(wish, |minimum| minimum.max(wish))
    }

    /// The file's own date after a wish (`None`: no date), or what keeps it from being shortened or removed.
    pub fn change(&self, attr: &Attr, wish: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, Kept> {
        let wish = wish.map(|wish| self.raised(attr, wish));
        let stands = attr.retention_until.filter(|until| *until > now);
        match stands {
            Some(stands) if wish.is_none_or(|wish| wish < stands) => {
                Err(Kept { until: self.effective_until(attr), legal_hold: attr.legal_hold })
            }
            _ => Ok(wish),
        }
    }

    /// Whether a file's time to live is over and nothing keeps it.
    pub fn is_expired(&self, attr: &Attr, now: Timestamp) -> bool {
        let Some(days) = self.time_to_live_days else { return false };
        attr.status == FileStatus::Active && attr.created_at.plus_days(days) <= now && self.kept(attr, now).is_none()
    }

    /// Whether the bytes of a deleted file may go.
    pub fn is_past_grace(&self, attr: &Attr, now: Timestamp) -> bool {
        let grace = i64::try_from(self.deleted_grace.as_micros()).unwrap_or(i64::MAX);
        attr.status == FileStatus::Deleted
            && !attr.legal_hold
            && attr.deleted_at.is_some_and(|deleted| deleted.plus_micros(grace) <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Kept, RetentionRules};
    use crate::model::{Attr, FileStatus, Timestamp};
    use crate::settling::tests::attr;

    fn day(day: u32) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000).plus_days(day)
    }

    fn file(own: Option<u32>, legal_hold: bool) -> Attr {
        Attr { created_at: day(0), retention_until: own.map(day), legal_hold, ..attr() }
    }

    const RULES: RetentionRules =
        RetentionRules { minimum_days: 10, time_to_live_days: Some(30), deleted_grace: Duration::from_hours(24) };

    #[test]
    fn the_later_of_own_date_and_minimum_counts() {
        assert_eq!(RULES.effective_until(&file(None, false)), Some(day(10)));
        assert_eq!(RULES.effective_until(&file(Some(5), false)), Some(day(10)));
        assert_eq!(RULES.effective_until(&file(Some(20), false)), Some(day(20)));
        assert_eq!(RetentionRules::default().effective_until(&file(None, false)), None);
    }

    #[test]
    fn a_date_or_a_hold_keeps_a_file() {
        assert_eq!(RULES.kept(&file(None, false), day(9)), Some(Kept { until: Some(day(10)), legal_hold: false }));
        assert_eq!(RULES.kept(&file(None, false), day(10)), None);
        assert_eq!(RULES.kept(&file(None, true), day(11)), Some(Kept { until: None, legal_hold: true }));
    }

    #[test]
    fn what_stands_is_only_extended() {
        let now = day(1);
        let own = file(Some(20), false);
        assert_eq!(RULES.change(&own, Some(day(25)), now), Ok(Some(day(25))));
        assert_eq!(RULES.change(&own, Some(day(20)), now), Ok(Some(day(20))));
        assert!(RULES.change(&own, Some(day(19)), now).is_err());
        assert!(RULES.change(&own, None, now).is_err());
        assert_eq!(RULES.change(&file(None, false), Some(day(3)), now), Ok(Some(day(10))));
        assert_eq!(RULES.change(&own, None, day(21)), Ok(None));
        assert_eq!(RULES.change(&own, Some(day(22)), day(21)), Ok(Some(day(22))));
    }

    #[test]
    fn what_is_kept_outlives_the_time_to_live() {
        assert!(!RULES.is_expired(&file(None, false), day(29)));
        assert!(RULES.is_expired(&file(None, false), day(30)));
        assert!(!RULES.is_expired(&file(Some(40), false), day(30)));
        assert!(!RULES.is_expired(&file(None, true), day(30)));
    }

    #[test]
    fn bytes_of_deleted_files_stay_for_the_grace_period() {
        let deleted = Attr { status: FileStatus::Deleted, deleted_at: Some(day(1)), ..file(None, false) };
        assert!(!RULES.is_past_grace(&deleted, day(2).plus_micros(-1)));
        assert!(RULES.is_past_grace(&deleted, day(2)));
        assert!(!RULES.is_past_grace(&file(None, false), day(99)));
    }
}
