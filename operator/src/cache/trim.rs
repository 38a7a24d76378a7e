//! What of an object is kept: a thousand elements shall not cost a hundred megabytes, and what moves all the time (a
//! Lease's renewals) shall not look like a change.

use serde_json::{Map, Value, json};

use super::Kind;

/// Takes away what nothing reads.
pub fn trim(kind: Kind, object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "selfLink", "creationTimestamp", "generateName"] {
            metadata.remove(field);
        }
    }
    match kind {
        Kind::Lease => keep_spec(object, &["holderIdentity", "leaseTransitions", "acquireTime"]),
        Kind::Pod => trim_pod(object),
        Kind::StatefulSet | Kind::PersistentVolumeClaim => {}
        _ => {
            if let Some(fields) = object.as_object_mut() {
                fields.remove("status");
            }
        }
    }
}

fn keep_spec(object: &mut Value, wanted: &[&str]) {
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|name, _| wanted.contains(&name.as_str()));
    }
}

/// Of a pod's spec only what tells which ConfigMaps it uses.
fn trim_pod(pod: &mut Value) {
    let maps: Vec<Value> = pod
        .pointer("/spec/volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|volume| volume.get("configMap").is_some())
        .map(|volume| json!({"name": volume.get("name"), "configMap": {"name": volume.pointer("/configMap/name")}}))
        .collect();
    let node = pod.pointer("/spec/nodeName").cloned();
    let mut spec = Map::new();
    spec.insert("containers".to_owned(), json!([]));
    spec.insert("volumes".to_owned(), Value::Array(maps));
    if let Some(node) = node {
        spec.insert("nodeName".to_owned(), node);
    }
    if let Some(fields) = pod.as_object_mut() {
        fields.insert("spec".to_owned(), Value::Object(spec));
    }
    if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) {
        for field in ["hostIPs", "hostIP", "qosClass", "resize"] {
            status.remove(field);
        }
        // The times of probes are no news.
        for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(condition) = condition.as_object_mut() {
                condition.remove("lastProbeTime");
            }
        }
    }
}
