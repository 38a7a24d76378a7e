use serde_json::{Value, json};

use super::Verdict::{Allowed, Refused};
use super::{Example, create, local, with};
use crate::OWNED_CONFIG_SECTIONS;

pub(super) fn examples() -> Vec<Example> {
    let mut examples = [env(), keys()].concat();
    let config = |settings: Value| with(local(), &json!({"config": settings}));
    for section in OWNED_CONFIG_SECTIONS {
        examples.push(create("config-owned", Refused, section, config(json!({section: {"a": 1}}))));
    }
    let limits = json!({"limits": {"file_bytes": "1GiB", "concurrent_uploads": 64}, "logging": {"level": "debug"}});
    examples.push(create("config-owned", Allowed, "what the node alone knows", config(limits)));
    examples
}

fn env() -> Vec<Example> {
    let env = |variables: Value| with(local(), &json!({"podTemplate": {"env": variables}}));
    let source = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    let two = json!({"secretKeyRef": {"name": "s", "key": "k"}, "fieldRef": {"fieldPath": "status.hostIP"}});
    let owned = "env-owned";
    vec![
        create(owned, Allowed, "a variable of a library", env(json!([{"name": "OTEL_SERVICE_NAME", "value": "x"}]))),
        create(owned, Allowed, "SE in the middle", env(json!([{"name": "USE_SE_", "value": "x"}]))),
        create(
            owned,
            Refused,
            "a setting",
            env(json!([{"name": "A", "value": "x"}, {"name": "SE_LIMITS__FILE_BYTES", "value": "1"}])),
        ),
        create(
            owned,
            Refused,
            "the configuration file",
            env(json!([{"name": "STORAGE_ELEMENT_CONFIG", "value": "/x"}])),
        ),
        create(owned, Refused, "the pod's name", env(json!([{"name": "POD_NAME", "value": "x"}]))),
        create("env-source", Allowed, "from a Secret", env(json!([{"name": "A", "valueFrom": source}]))),
        create("env-source", Allowed, "no value", env(json!([{"name": "A"}]))),
        create(
            "env-source",
            Refused,
            "a value and a source",
            env(json!([{"name": "A", "value": "x", "valueFrom": source}])),
        ),
        create("env-source", Refused, "two sources", env(json!([{"name": "A", "valueFrom": two}]))),
        create("env-source", Refused, "no source", env(json!([{"name": "A", "valueFrom": {}}]))),
    ]
}

fn keys() -> Vec<Example> {
    let template = |template: Value| with(local(), &json!({"podTemplate": template}));
    let long = "a".repeat(64);
    let rule = "label-keys";
    vec![
        create(rule, Allowed, "a name", template(json!({"labels": {"team": "records"}}))),
        create(rule, Allowed, "a prefix", template(json!({"annotations": {"example.org/Team_1.a": "a b"}}))),
        create(
            rule,
            Allowed,
            "a label of machines",
            template(json!({"nodeSelector": {"topology.kubernetes.io/zone": "a"}})),
        ),
        create(rule, Refused, "a blank", template(json!({"labels": {"my team": "records"}}))),
        create(rule, Refused, "64 characters", template(json!({"labels": {long: "records"}}))),
        create(rule, Refused, "nothing before the slash", template(json!({"annotations": {"/team": "records"}}))),
        create(rule, Refused, "two slashes", template(json!({"nodeSelector": {"a/b/c": "records"}}))),
    ]
}
