use serde_json::{Value, json};

use super::Verdict::{Allowed, Refused};
use super::{Example, change, create, edit, local, s3, with};

pub(super) fn examples() -> Vec<Example> {
    let lifecycle = |rules: Value| json!({"lifecycle": rules});
    let retention = |values: Value| json!({"retention": values});
    let quota = json!({"backend": {"s3": {"quota": "1Ti"}}});
    let used = lifecycle(json!({"readOnlyAtUsedPercent": 95}));
    let total = "lifecycle-needs-total";
    let order = "lifecycle-order";
    vec![
        create("lifecycle-not-in-edit", Refused, "in edit", with(edit(), &lifecycle(json!({"readOnlyAfterDays": 1})))),
        create("lifecycle-not-in-edit", Allowed, "in rw", with(local(), &lifecycle(json!({"readOnlyAfterDays": 1})))),
        create(
            order,
            Allowed,
            "one after the other",
            with(local(), &lifecycle(json!({"readOnlyAfterDays": 1, "archiveAfterDays": 2}))),
        ),
        create(
            order,
            Refused,
            "both on one day",
            with(local(), &lifecycle(json!({"readOnlyAfterDays": 1, "archiveAfterDays": 1}))),
        ),
        create(order, Allowed, "only the second", with(local(), &lifecycle(json!({"archiveAfterDays": 1})))),
        create(total, Allowed, "a volume", with(local(), &used)),
        create(total, Allowed, "a bucket with a quota", with(with(s3(), &quota), &used)),
        create(total, Refused, "a bucket without", with(s3(), &used)),
        change(
            total,
            Refused,
            "the quota goes",
            with(with(s3(), &quota), &used),
            &json!({"backend": {"s3": {"quota": null}}}),
        ),
        create("time-to-live-in-edit", Allowed, "in edit", with(edit(), &retention(json!({"timeToLiveDays": 30})))),
        create("time-to-live-in-edit", Refused, "in rw", with(local(), &retention(json!({"timeToLiveDays": 30})))),
        create(
            "time-to-live-minimum",
            Allowed,
            "as long",
            with(edit(), &retention(json!({"timeToLiveDays": 30, "minimumDays": 30}))),
        ),
        create(
            "time-to-live-minimum",
            Refused,
            "shorter",
            with(edit(), &retention(json!({"timeToLiveDays": 30, "minimumDays": 31}))),
        ),
    ]
}
