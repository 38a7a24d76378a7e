use serde_json::{Value, json};

use super::Verdict::{Allowed, Refused};
use super::{Example, change, change_with_status, create, local, s3, shared, with};

const ONE: &str = "0197f6a2-0000-7000-8000-000000000001";
const OTHER: &str = "0197f6a2-0000-7000-8000-000000000002";

fn named(name: &'static str, mut example: Example) -> Example {
    example.name = Some(name);
    example
}

pub(super) fn examples() -> Vec<Example> {
    [names(), adoption(), replicas(), election(), keys()].concat()
}

fn names() -> Vec<Example> {
    let create = |verdict, what, name| named(name, create("name", verdict, what, local()));
    vec![
        create(Allowed, "one letter", "a"),
        create(Allowed, "letters, digits, dashes", "contracts-2026"),
        create(Allowed, "40 characters", "a123456789-123456789-123456789-123456789"),
        create(Refused, "41 characters", "a123456789-123456789-123456789-1234567890"),
        create(Refused, "a digit in front", "2026-contracts"),
        create(Refused, "a dot", "contracts.2026"),
    ]
}

fn adoption() -> Vec<Example> {
    let adopt = |id: &str| json!({"adopt": {"elementID": id}});
    let status = json!({"elementID": ONE});
    let change = |verdict, what, old, status: &Value, patch: &Value| {
        change_with_status("adopt-same-element", verdict, what, old, status.clone(), patch)
    };
    vec![
        create("adopt-same-element", Allowed, "adopt from the beginning", with(local(), &adopt(ONE))),
        change(Allowed, "adopt comes before there is an element", local(), &Value::Null, &adopt(ONE)),
        change(Allowed, "adopt comes with the id of the element", local(), &status, &adopt(ONE)),
        change(Refused, "adopt comes with another id", local(), &status, &adopt(OTHER)),
        change(Refused, "adopt gets another id", with(local(), &adopt(ONE)), &status, &adopt(OTHER)),
        change(Allowed, "adopt goes", with(local(), &adopt(ONE)), &status, &json!({"adopt": null})),
        change(
            Allowed,
            "something else changes while adopt names another id",
            with(local(), &adopt(OTHER)),
            &status,
            &json!({"paused": true}),
        ),
    ]
}

fn replicas() -> Vec<Example> {
    let postgres = "replicas-need-postgres";
    let storage = "replicas-need-shared-storage";
    let database = json!({"database": {"postgres": {"secretRef": {"name": "db"}}}});
    let embedded = json!({"database": {"embedded": {"size": "1Gi"}, "postgres": null}});
    vec![
        create(postgres, Allowed, "one replica with all defaults", local()),
        create(postgres, Allowed, "three on a shared volume and PostgreSQL", shared()),
        create(
            postgres,
            Allowed,
            "one with S3 and the embedded catalog",
            with(s3(), &with(embedded.clone(), &json!({"replicas": 1}))),
        ),
        create(postgres, Refused, "three with S3 and the embedded catalog", with(s3(), &embedded)),
        change(postgres, Allowed, "none: hibernation", local(), &json!({"replicas": 0})),
        change(
            postgres,
            Refused,
            "two with the embedded catalog on a shared volume",
            with(with(shared(), &embedded), &json!({"replicas": 1})),
            &json!({"replicas": 2}),
        ),
        create(
            storage,
            Refused,
            "two on a volume of one machine",
            with(with(local(), &database), &json!({"replicas": 2})),
        ),
        create(storage, Allowed, "one on a volume of one machine", with(local(), &database)),
        change(storage, Allowed, "more with S3", s3(), &json!({"replicas": 5})),
    ]
}

fn election() -> Vec<Example> {
    let timings = |duration: u32, deadline: u32, retry: u32| {
        let election = json!({
            "leaseDurationSeconds": duration, "renewDeadlineSeconds": deadline, "retryPeriodSeconds": retry,
        });
        with(local(), &json!({"election": election}))
    };
    vec![
        create("election-deadline", Allowed, "30, 20, 5", timings(30, 20, 5)),
        create("election-deadline", Refused, "a deadline as long as the lease", timings(15, 15, 2)),
        change(
            "election-deadline",
            Refused,
            "a shorter lease",
            local(),
            &json!({"election": {"leaseDurationSeconds": 9}}),
        ),
        create("election-retry", Allowed, "just over 1.2 retries", timings(15, 13, 10)),
        create("election-retry", Refused, "just 1.2 retries", timings(15, 12, 10)),
    ]
}

fn keys() -> Vec<Example> {
    let keys = |days: u32, overlap: u32, lifetime: u32| {
        let keys = json!({"rotateEveryDays": days, "overlapHours": overlap, "maxTokenLifetimeHours": lifetime});
        with(local(), &json!({"auth": {"jwt": {"keys": keys}}}))
    };
    vec![
        create("keys-overlap-tokens", Allowed, "as long as a token", keys(90, 12, 12)),
        create("keys-overlap-tokens", Refused, "shorter than a token", keys(90, 11, 12)),
        create("keys-rotation", Allowed, "a new key each day", keys(1, 24, 12)),
        create("keys-rotation", Refused, "a day of overlap and more", keys(1, 25, 12)),
    ]
}
