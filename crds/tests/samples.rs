//! The samples that people begin with are objects that the API server takes.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kube::ResourceExt;
use kube_cel::{Validator, apply_defaults};
use serde_json::Value;
use storage_element_crds::{Mode, StorageElement, definition};

fn samples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/samples");
    let mut samples = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "yaml") && name != "kustomization.yaml" {
            samples.push((name, serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()));
        }
    }
    samples
}

fn schema() -> Value {
    let version = definition().spec.versions.remove(0);
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

/// What is in `given` and not in `read`: a field that the types do not know.
fn lost(given: &Value, read: &Value, path: &str) -> Option<String> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => given.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            read.get(name).map_or_else(|| Some(path.clone()), |found| lost(value, found, &path))
        }),
        _ => (given != read).then(|| path.to_owned()),
    }
}

#[test]
fn each_sample_is_read_whole_and_no_rule_refuses_it() {
    let schema = schema();
    for (name, sample) in samples() {
        let element: StorageElement = serde_json::from_value(sample.clone()).unwrap();
        assert_eq!(lost(&sample, &serde_json::to_value(&element).unwrap(), ""), None, "{name}");
        let refused = Validator::new().validate(&schema, &apply_defaults(&schema, &sample), None);
        assert!(refused.is_ok(), "{name}: {refused:?}");
    }
}

#[test]
fn the_samples_are_the_three_ways_to_begin() {
    let elements: Vec<StorageElement> =
        samples().into_iter().map(|(_, sample)| serde_json::from_value(sample).unwrap()).collect();
    let names: BTreeSet<_> = elements.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["contracts-2026", "notes", "records-2026"].map(str::to_owned).into());
    for element in elements {
        let spec = &element.spec;
        let shape = (spec.mode, spec.replicas, spec.backend.s3.is_some(), spec.database.postgres.is_some());
        let expected = match element.name_any().as_str() {
            "notes" => (Mode::Edit, 1, false, false),
            "contracts-2026" => (Mode::Rw, 3, false, true),
            _ => (Mode::Rw, 3, true, true),
        };
        assert_eq!(shape, expected);
    }
}

/// Every Secret that a sample refers to is explained in its comments.
#[test]
fn each_secret_is_explained() {
    fn secrets(value: &Value, found: &mut BTreeSet<String>) {
        let Value::Object(fields) = value else { return };
        for (name, value) in fields {
            if name.to_ascii_lowercase().ends_with("secretref") {
                found.insert(value["name"].as_str().unwrap().to_owned());
            }
            secrets(value, found);
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/samples");
    for (name, sample) in samples() {
        let text = fs::read_to_string(folder.join(&name)).unwrap();
        let mut found = BTreeSet::new();
        secrets(&sample, &mut found);
        for secret in found {
            assert!(text.contains(&format!("the Secret `{secret}`")), "{name} does not explain {secret}");
        }
    }
}
