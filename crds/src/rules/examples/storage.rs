use serde_json::{Value, json};

use super::Verdict::{Allowed, Refused};
use super::{Example, change, change_with_status, create, local, s3, shared, with};

pub(super) fn examples() -> Vec<Example> {
    [one_of(), kinds(), bucket(), volume(), sizes(), shrinking(), catalog()].concat()
}

fn one_of() -> Vec<Example> {
    vec![
        create("backend-one-of", Refused, "none", with(local(), &json!({"backend": {"local": null}}))),
        create(
            "backend-one-of",
            Refused,
            "both",
            with(s3(), &json!({"backend": {"local": {"size": "1Gi"}}, "replicas": 1})),
        ),
        create("backend-one-of", Allowed, "a volume", local()),
        create("backend-one-of", Allowed, "a bucket", s3()),
        create("database-one-of", Refused, "none", with(local(), &json!({"database": {}}))),
        create("database-one-of", Refused, "both", with(s3(), &json!({"database": {"embedded": {}}}))),
        create("database-one-of", Allowed, "embedded", with(local(), &json!({"database": {"embedded": {}}}))),
        create("database-one-of", Allowed, "left out", local()),
    ]
}

fn kinds() -> Vec<Example> {
    let bucket = json!({"backend": {"local": null, "s3": {"bucket": "files"}}});
    let volume = json!({"backend": {"s3": null, "local": {"size": "1Gi", "accessModes": ["ReadWriteMany"]}}});
    let postgres = json!({"database": {"embedded": null, "postgres": {"secretRef": {"name": "db"}}}});
    let embedded = json!({"database": {"postgres": null, "embedded": {}}});
    let alone = json!({"replicas": 1});
    vec![
        change("backend-kind", Refused, "a volume becomes a bucket", local(), &bucket),
        change("backend-kind", Refused, "a bucket becomes a volume", s3(), &volume),
        change("backend-kind", Allowed, "a volume grows", local(), &json!({"backend": {"local": {"size": "20Gi"}}})),
        change("database-kind", Refused, "embedded becomes PostgreSQL", with(local(), &embedded), &postgres),
        change("database-kind", Refused, "the default becomes PostgreSQL", local(), &postgres),
        change("database-kind", Refused, "PostgreSQL becomes embedded", with(shared(), &alone), &embedded),
        change("database-kind", Refused, "PostgreSQL is left out", with(shared(), &alone), &json!({"database": null})),
        change(
            "database-kind",
            Allowed,
            "another Secret",
            shared(),
            &json!({"database": {"postgres": {"secretRef": {"name": "db-2"}}}}),
        ),
        change(
            "database-kind",
            Allowed,
            "another schema",
            shared(),
            &json!({"database": {"postgres": {"schema": "other"}}}),
        ),
    ]
}

fn bucket() -> Vec<Example> {
    let s3_with = |patch: &Value| json!({"backend": {"s3": patch}});
    let bare = with(s3(), &s3_with(&json!({"prefix": null})));
    vec![
        change("backend-bucket", Refused, "another bucket", s3(), &s3_with(&json!({"bucket": "other"}))),
        change(
            "backend-bucket",
            Allowed,
            "the same at another address",
            s3(),
            &s3_with(&json!({"endpoint": "https://s3.example.org"})),
        ),
        change("backend-prefix", Refused, "another prefix", s3(), &s3_with(&json!({"prefix": "two/"}))),
        change("backend-prefix", Refused, "the prefix goes", s3(), &s3_with(&json!({"prefix": null}))),
        change("backend-prefix", Refused, "a prefix comes", bare, &s3_with(&json!({"prefix": "one/"}))),
        change("backend-prefix", Allowed, "a quota comes", s3(), &s3_with(&json!({"quota": "2Ti"}))),
    ]
}

fn volume() -> Vec<Example> {
    let local_with = |patch: &Value| json!({"backend": {"local": patch}});
    let class = "backend-storage-class";
    let modes = "backend-access-modes";
    let alone = "backend-access-modes-alone";
    let both = json!(["ReadWriteMany", "ReadWriteOnce"]);
    let turned = json!(["ReadWriteOnce", "ReadWriteMany"]);
    vec![
        change(class, Refused, "another class", shared(), &local_with(&json!({"storageClassName": "other"}))),
        change(class, Refused, "the class goes", shared(), &local_with(&json!({"storageClassName": null}))),
        change(class, Refused, "a class comes", local(), &local_with(&json!({"storageClassName": "other"}))),
        change(class, Allowed, "a larger size of the same class", shared(), &local_with(&json!({"size": "11Gi"}))),
        change(modes, Refused, "for all machines", local(), &local_with(&json!({"accessModes": ["ReadWriteMany"]}))),
        change(
            modes,
            Refused,
            "left out, when it was not the default",
            with(shared(), &json!({"replicas": 1})),
            &local_with(&json!({"accessModes": null})),
        ),
        change(
            modes,
            Allowed,
            "the default is written out",
            local(),
            &local_with(&json!({"accessModes": ["ReadWriteOnce"]})),
        ),
        change(
            modes,
            Allowed,
            "in another order",
            with(shared(), &local_with(&json!({"accessModes": both}))),
            &local_with(&json!({"accessModes": turned})),
        ),
        create(
            alone,
            Allowed,
            "one pod alone",
            with(local(), &local_with(&json!({"accessModes": ["ReadWriteOncePod"]}))),
        ),
        create(
            alone,
            Refused,
            "one pod, or one machine",
            with(local(), &local_with(&json!({"accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]}))),
        ),
    ]
}

fn sizes() -> Vec<Example> {
    let size = |size: Value| with(local(), &json!({"backend": {"local": {"size": size}}}));
    let quota = |quota: Value| with(s3(), &json!({"backend": {"s3": {"quota": quota}}}));
    let database = |size: Value| with(local(), &json!({"database": {"embedded": {"size": size}}}));
    vec![
        create("backend-size", Allowed, "bytes", size(json!(10_737_418_240_u64))),
        create("backend-size", Allowed, "a decimal unit", size(json!("1.5T"))),
        create("backend-size", Refused, "nothing", size(json!(0))),
        create("backend-size", Refused, "nothing, in words", size(json!("0Gi"))),
        create("backend-size", Allowed, "a quota", quota(json!("2Ti"))),
        create("backend-size", Refused, "a quota of nothing", quota(json!("0"))),
        create("database-size", Allowed, "a small one", database(json!("100Mi"))),
        create("database-size", Refused, "nothing", database(json!(0))),
    ]
}

fn shrinking() -> Vec<Example> {
    let rule = "backend-size-not-below-claim";
    let size = |size: Value| json!({"backend": {"local": {"size": size}}});
    let has = |capacity: Value| json!({"claim": {"capacity": capacity}});
    vec![
        change_with_status(rule, Allowed, "it grows", local(), has(json!("10Gi")), &size(json!("20Gi"))),
        change_with_status(rule, Refused, "it shrinks", local(), has(json!("10Gi")), &size(json!("9Gi"))),
        change_with_status(
            rule,
            Refused,
            "it shrinks, in bytes",
            local(),
            has(json!("10Gi")),
            &size(json!(1_073_741_824)),
        ),
        change_with_status(
            rule,
            Allowed,
            "a growth is taken back",
            with(local(), &size(json!("100Gi"))),
            has(json!("10Gi")),
            &size(json!("10Gi")),
        ),
        change_with_status(
            rule,
            Allowed,
            "the same in another unit",
            local(),
            has(json!(10_737_418_240_u64)),
            &size(json!("10240Mi")),
        ),
        change_with_status(
            rule,
            Allowed,
            "something else, when the provisioner gave more",
            local(),
            has(json!("16Gi")),
            &json!({"paused": true}),
        ),
        change(rule, Allowed, "it shrinks before there is a volume", local(), &size(json!("9Gi"))),
    ]
}

fn catalog() -> Vec<Example> {
    let rule = "database-storage-class";
    let class = |name: Value| json!({"database": {"embedded": {"storageClassName": name}}});
    let fast = with(local(), &class(json!("fast")));
    vec![
        change(rule, Refused, "another class", fast.clone(), &class(json!("other"))),
        change(
            rule,
            Refused,
            "the class goes",
            fast.clone(),
            &json!({"database": {"embedded": {"storageClassName": null}}}),
        ),
        change(rule, Refused, "database goes, and the class with it", fast.clone(), &json!({"database": null})),
        change(rule, Refused, "a class comes", local(), &class(json!("fast"))),
        change(rule, Allowed, "it grows", fast, &json!({"database": {"embedded": {"size": "6Gi"}}})),
    ]
}
