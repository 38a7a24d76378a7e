use serde_json::{Value, json};

use super::Verdict::{self, Allowed, Refused};
use super::{Example, change, change_with_status, create, edit, local, with};

pub(super) fn examples() -> Vec<Example> {
    [steps(), life_of_edit(), rollback()].concat()
}

/// From `asked` for in the spec, while `real` is the mode, to `wanted`.
fn step(rule: &'static str, verdict: Verdict, what: &'static str, [asked, real, wanted]: [&str; 3]) -> Example {
    let old = with(local(), &json!({"mode": asked}));
    change_with_status(rule, verdict, what, old, json!({"mode": real}), &json!({"mode": wanted}))
}

fn steps() -> Vec<Example> {
    let step = |verdict, what, modes| step("mode-step", verdict, what, modes);
    vec![
        step(Allowed, "rw to ro", ["rw", "rw", "ro"]),
        step(Allowed, "ro to ar", ["ro", "ro", "ar"]),
        step(Refused, "rw to ar", ["rw", "rw", "ar"]),
        step(Refused, "ro to rw", ["ro", "ro", "rw"]),
        step(Refused, "ar to ro", ["ar", "ar", "ro"]),
        step(Refused, "ar to rw", ["ar", "ar", "rw"]),
        step(Allowed, "cancelled before it was reached", ["ro", "rw", "rw"]),
        step(Refused, "two steps while the first is not reached", ["ro", "rw", "ar"]),
        step(Allowed, "after lifecycle went one step ahead", ["rw", "ro", "ar"]),
        step(Allowed, "the spec catches up with lifecycle", ["rw", "ar", "ar"]),
        step(Refused, "the spec asks for what lifecycle has passed", ["rw", "ar", "ro"]),
        create("mode-step", Allowed, "an archive restored starts in ar", with(local(), &json!({"mode": "ar"}))),
        change("mode-step", Allowed, "any mode before there is a status", local(), &json!({"mode": "ar"})),
        change_with_status(
            "mode-step",
            Allowed,
            "any mode while the status does not know one",
            local(),
            json!({"observedGeneration": 1}),
            &json!({"mode": "ar"}),
        ),
        change_with_status(
            "mode-step",
            Allowed,
            "something else, while the mode is far from what was asked for",
            local(),
            json!({"mode": "ar"}),
            &json!({"paused": true}),
        ),
    ]
}

fn life_of_edit() -> Vec<Example> {
    let step = |verdict, what, modes| step("mode-edit", verdict, what, modes);
    vec![
        step(Refused, "edit to rw", ["edit", "edit", "rw"]),
        step(Refused, "edit to ar", ["edit", "edit", "ar"]),
        step(Refused, "rw to edit", ["rw", "rw", "edit"]),
        step(Refused, "ar to edit", ["ar", "ar", "edit"]),
        step(Allowed, "the spec is corrected to edit", ["rw", "edit", "edit"]),
        change("mode-edit", Allowed, "edit to rw before there is a status", edit(), &json!({"mode": "rw"})),
    ]
}

fn rollback() -> Vec<Example> {
    let permission =
        |from: &str, to: &str| json!({"transition": {"rollback": {"from": from, "to": to, "requestID": "ticket-17"}}});
    let back = |verdict, what, [asked, real, wanted]: [&str; 3], rollback: &Value| {
        let old = with(local(), &json!({"mode": asked}));
        let patch = with(rollback.clone(), &json!({"mode": wanted}));
        change_with_status("mode-step", verdict, what, old, json!({"mode": real}), &patch)
    };
    vec![
        back(Allowed, "ro to rw with permission", ["ro", "ro", "rw"], &permission("ro", "rw")),
        back(Allowed, "ar to ro with permission", ["ar", "ar", "ro"], &permission("ar", "ro")),
        back(Refused, "ro to rw with permission for another step", ["ro", "ro", "rw"], &permission("ar", "ro")),
        back(Refused, "ar to rw with permission for half of it", ["ar", "ar", "rw"], &permission("ro", "rw")),
        create("rollback-step", Refused, "forward", with(local(), &permission("rw", "ro"))),
        create("rollback-step", Refused, "two steps", with(local(), &permission("ar", "rw"))),
        create("rollback-step", Refused, "out of edit", with(edit(), &permission("edit", "rw"))),
        create("rollback-step", Allowed, "ro to rw", with(local(), &permission("ro", "rw"))),
        change(
            "rollback-step",
            Allowed,
            "it goes",
            with(local(), &permission("ro", "rw")),
            &json!({"transition": {"rollback": null}}),
        ),
    ]
}
