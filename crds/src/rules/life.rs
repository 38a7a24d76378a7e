//! Rules about how long files are kept, and when the mode moves by itself.

use super::{Place, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "lifecycle-not-in-edit",
        place: Place::Spec,
        field: Some(".lifecycle"),
        cel: "self.mode != 'edit' || !has(self.lifecycle)",
        message: "an element in edit stays there: remove lifecycle, or declare the element in rw",
    },
    Rule {
        name: "lifecycle-order",
        place: Place::Spec,
        field: Some(".lifecycle"),
        cel: "!has(self.lifecycle) || !has(self.lifecycle.archiveAfterDays) || !has(self.lifecycle.readOnlyAfterDays) \
              || self.lifecycle.archiveAfterDays > self.lifecycle.readOnlyAfterDays",
        message: "archiveAfterDays must be more than readOnlyAfterDays: an element is read-only before it is archived",
    },
    Rule {
        name: "lifecycle-needs-total",
        place: Place::Spec,
        field: Some(".lifecycle.readOnlyAtUsedPercent"),
        cel: "!has(self.lifecycle) || !has(self.lifecycle.readOnlyAtUsedPercent) || !has(self.backend.s3) \
              || has(self.backend.s3.quota)",
        message: "percent of what? A bucket has no size: set backend.s3.quota, or remove readOnlyAtUsedPercent",
    },
    Rule {
        name: "time-to-live-in-edit",
        place: Place::Spec,
        field: Some(".retention.timeToLiveDays"),
        cel: "self.mode == 'edit' || !has(self.retention.timeToLiveDays)",
        message: "only in edit do files expire: remove timeToLiveDays, or declare the element in edit",
    },
    Rule {
        name: "time-to-live-minimum",
        place: Place::Spec,
        field: Some(".retention.timeToLiveDays"),
        cel: "!has(self.retention.timeToLiveDays) || self.retention.timeToLiveDays >= self.retention.minimumDays",
        message: "timeToLiveDays must not be less than minimumDays: no file may expire before it may be deleted",
    },
];
