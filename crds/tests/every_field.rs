//! Schema and types know the same fields: an object that the API server takes is an object that the operator reads, whole.

#![allow(clippy::unwrap_used, reason = "a test")]

use kube_cel::{Validator, apply_defaults};
use serde::Deserialize;
use serde_json::{Value, json};
use storage_element_crds::{StorageElement, definition};

fn examples() -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(include_str!("every_field.yaml"));
    documents.map(|document| Value::deserialize(document).unwrap()).collect()
}

fn schema() -> Value {
    let version = definition().spec.versions.remove(0);
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

/// The fields that `schema` knows and none of `values` has.
fn missing(schema: &Value, values: &[&Value], path: &str, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        // These are the ones that are refused.
        if path.starts_with(".spec.config.") {
            continue;
        }
        let of: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
        if of.is_empty() {
            found.push(path.clone());
        }
        missing(property, &of, &path, found);
    }
    if schema["items"].is_object() {
        let items: Vec<&Value> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
        missing(&schema["items"], &items, &format!("{path}[]"), found);
    }
}

/// The fields of `given` that are not in `read`, or differ there.
fn lost(given: &Value, read: &Value, path: &str, found: &mut Vec<String>) {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => {
            for (name, value) in given {
                lost(value, read.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"), found);
            }
        }
        (Value::Array(given), Value::Array(read)) if given.len() == read.len() => {
            for (index, (given, read)) in given.iter().zip(read).enumerate() {
                lost(given, read, &format!("{path}[{index}]"), found);
            }
        }
        // Amounts of pods become text: Kubernetes writes both as text itself.
        (Value::Number(given), Value::String(read)) if given.to_string() == *read => {}
        // An empty list is no list.
        (Value::Array(given), Value::Null) if given.is_empty() => {}
        _ => {
            if given != read {
                found.push(format!("{path}: {given} became {read}"));
            }
        }
    }
}

#[test]
fn the_examples_have_every_field_of_the_schema() {
    let examples = examples();
    let mut found = Vec::new();
    let schema = schema();
    for part in ["spec", "status"] {
        let values: Vec<&Value> = examples.iter().filter_map(|example| example.get(part)).collect();
        missing(&schema["properties"][part], &values, &format!(".{part}"), &mut found);
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_types_read_every_field() {
    for example in examples() {
        let element: StorageElement = serde_json::from_value(example.clone()).unwrap();
        let mut found = Vec::new();
        lost(&example, &serde_json::to_value(element).unwrap(), "", &mut found);
        assert_eq!(found, [""; 0]);
    }
}

#[test]
fn no_rule_refuses_them() {
    let schema = schema();
    for example in examples() {
        let refused = Validator::new().validate(&schema, &apply_defaults(&schema, &example), None);
        assert!(refused.is_ok(), "{refused:?}");
    }
}

/// What the types fill in is what the API server fills in: else the operator would see another object than people do.
#[test]
fn both_fill_in_the_same() {
    let small = json!({
        "apiVersion": "storage.artstore.dev/v1alpha1",
        "kind": "StorageElement",
        "metadata": {"name": "small"},
        "spec": {
            "mode": "rw",
            "backend": {"local": {"size": "1Gi"}},
            "auth": {"jwt": {"issuer": "x"}},
            "database": {"embedded": {}},
            "service": {},
            "podTemplate": {},
            "monitoring": {},
        },
    });
    let filled = apply_defaults(&schema(), &small);
    let element: StorageElement = serde_json::from_value(small).unwrap();
    let again: StorageElement = serde_json::from_value(filled.clone()).unwrap();
    assert_eq!(element, again);
    let mut found = Vec::new();
    lost(&serde_json::to_value(&element).unwrap(), &filled, "", &mut found);
    assert_eq!(found, [""; 0]);
}
