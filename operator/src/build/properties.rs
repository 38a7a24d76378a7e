//! Any valid spec builds valid objects, and the same ones each time.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::samples::{element, input, keys, specs};
use super::{Shape, Wish, build};
use crate::cache::Kind;

/// Names, sizes and settings at their limits and in between.
fn any_element() -> impl Strategy<Value = (String, Value)> {
    let sizes = prop_oneof![Just("1Gi"), Just("1500M"), Just("16Ti")];
    let label = "[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?";
    (
        "[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
        0..specs().len(),
        sizes,
        proptest::collection::btree_map(label, label, 0..4),
        proptest::option::of(1_u32..365),
        any::<bool>(),
    )
        .prop_map(|(name, which, size, labels, days, policy)| {
            let mut spec = specs().remove(which).1;
            if spec["backend"]["local"].is_object() {
                spec["backend"]["local"]["size"] = Value::from(size);
            }
            spec["podTemplate"]["labels"] = json!(labels);
            spec["retention"]["minimumDays"] = json!(days.unwrap_or(0));
            spec["networkPolicy"]["enabled"] = Value::from(policy);
            (name, spec)
        })
}

/// Every field that was built is one the API knows: read as its type and written again, nothing is missing.
fn is_known<K: DeserializeOwned + Serialize>(value: &Value) -> Result<(), TestCaseError> {
    let typed: K = serde_json::from_value(value.clone()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&serde_json::to_value(&typed).unwrap(), value);
    Ok(())
}

fn check(wish: &Wish) -> Result<(), TestCaseError> {
    prop_assert!(wish.name.len() <= 63, "{}", wish.name);
    prop_assert_eq!(wish.value["metadata"]["name"].as_str(), Some(wish.name.as_str()));
    for (_, label) in wish.value["metadata"]["labels"].as_object().unwrap() {
        let label = label.as_str().unwrap();
        let edges = [label.chars().next(), label.chars().last()];
        prop_assert!(label.len() <= 63 && edges.iter().flatten().all(char::is_ascii_alphanumeric), "{}", label);
    }
    let owned = wish.value["metadata"].get("ownerReferences").is_some();
    prop_assert_eq!(owned, !wish.keeps);
    prop_assert_eq!(wish.keeps, matches!(wish.kind, Kind::Secret | Kind::PersistentVolumeClaim));
    match wish.kind {
        Kind::ServiceAccount => is_known::<ServiceAccount>(&wish.value),
        Kind::Role => is_known::<Role>(&wish.value),
        Kind::RoleBinding => is_known::<RoleBinding>(&wish.value),
        Kind::Lease => is_known::<Lease>(&wish.value),
        Kind::Secret => is_known::<Secret>(&wish.value),
        Kind::ConfigMap => is_known::<ConfigMap>(&wish.value),
        Kind::PersistentVolumeClaim => is_known::<PersistentVolumeClaim>(&wish.value),
        Kind::Service => is_known::<Service>(&wish.value),
        Kind::NetworkPolicy => is_known::<NetworkPolicy>(&wish.value),
        Kind::PodDisruptionBudget => is_known::<PodDisruptionBudget>(&wish.value),
        Kind::StatefulSet => is_known::<StatefulSet>(&wish.value),
        Kind::Pod => Err(TestCaseError::fail("no pod is ever built")),
        Kind::ServiceMonitor => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_valid_spec_builds_valid_objects_and_the_same_each_time((name, spec) in any_element()) {
        let (element, keys) = (element(&name, &spec), keys());
        let built = build(&input(&element, &keys));
        for wish in &built {
            check(wish)?;
        }
        prop_assert_eq!(built, build(&input(&element, &keys)));
    }
}

fn shape(spec: &Value) -> Shape {
    Shape::of("a", &element("a", spec).spec, "image")
}

#[test]
fn only_what_needs_a_restart_changes_the_shape() {
    let spec = specs().remove(1).1;
    let before = shape(&spec);
    for (field, value) in [
        ("mode", json!("ro")),
        ("replicas", json!(5)),
        ("deletionPolicy", json!("Delete")),
        ("paused", json!(true)),
        ("adopt", json!({"elementID": "018f0000-0000-7000-8000-000000000000"})),
        ("service", json!({"type": "NodePort"})),
        ("networkPolicy", json!({"enabled": false})),
        ("lifecycle", json!({"readOnlyAfterDays": 1})),
    ] {
        let mut changed = spec.clone();
        changed[field] = value;
        assert_eq!(shape(&changed), before, "{field}");
    }
    let mut grown = spec.clone();
    grown["backend"]["local"]["size"] = json!("3Ti");
    assert_eq!(shape(&grown), before);
    for (field, value) in [
        ("config", json!({"logging": {"level": "debug"}})),
        ("podTemplate", json!({"env": [{"name": "A", "value": "b"}]})),
        ("tls", json!({"secretRef": {"name": "tls"}})),
        ("retention", json!({"minimumDays": 3})),
        ("election", json!({"leaseDurationSeconds": 30})),
    ] {
        let mut changed = spec.clone();
        changed[field] = value;
        let after = shape(&changed);
        assert_ne!(after.all, before.all, "{field}");
        assert_eq!(after.database, before.database, "{field}");
    }
    let mut moved = spec.clone();
    moved["database"]["postgres"]["schema"] = json!("other");
    assert_ne!(shape(&moved).database, before.database);
}
