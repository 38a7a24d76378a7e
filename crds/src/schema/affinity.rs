//! Schema of `Affinity`, and of the label selectors in it.
//!
//! Source: the OpenAPI document of Kubernetes 1.34 (`io.k8s.api.core.v1.Affinity`), with bounds.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::pod::{choice, text, words};

/// The longest key of a label: a prefix of 253, a slash, a name of 63.
const KEY: u32 = 317;
/// Alternatives and conditions in one list.
const ITEMS: u32 = 16;

/// `Affinity`.
pub(crate) fn affinity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "nodeAffinity": node_affinity(),
            "podAffinity": pod_affinity("Pods to be near to."),
            "podAntiAffinity": pod_affinity("Pods to be away from."),
        },
    })
}

/// `LabelSelector`.
pub(super) fn label_selector(description: &str) -> Value {
    json!({
        "type": "object",
        "description": description,
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "type": "object",
                "description": "Labels and their values, all of which have to be there.",
                "maxProperties": ITEMS,
                "additionalProperties": {"type": "string", "maxLength": 63},
            },
            "matchExpressions": requirements("Conditions, all of which have to hold.", &["In", "NotIn", "Exists", "DoesNotExist"]),
        },
    })
}

fn requirements(description: &str, operators: &[&str]) -> Value {
    json!({
        "type": "array",
        "description": description,
        "maxItems": ITEMS,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "required": ["key", "operator"],
            "properties": {
                "key": text("The label, or field.", KEY),
                "operator": choice("How it is compared.", operators),
                "values": words("What it is compared with.", 64, 63),
            },
        },
    })
}

fn node_selector_term(description: &str) -> Value {
    let operators = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"];
    json!({
        "type": "object",
        "description": description,
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchExpressions": requirements("Conditions on the machine's labels.", &operators),
            "matchFields": requirements("Conditions on the machine's fields.", &operators),
        },
    })
}

fn node_affinity() -> Value {
    let mut term = node_selector_term("A machine for which all of its conditions hold.");
    if let Some(term) = term.as_object_mut() {
        term.remove("description");
    }
    json!({
        "type": "object",
        "description": "Machines to run on.",
        "properties": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "type": "object",
                "description": "Machines that will do; no others.",
                "required": ["nodeSelectorTerms"],
                "x-kubernetes-map-type": "atomic",
                "properties": {
                    "nodeSelectorTerms": {
                        "type": "array",
                        "description": "Alternatives, one of which has to hold.",
                        "maxItems": ITEMS,
                        "x-kubernetes-list-type": "atomic",
                        "items": term,
                    },
                },
            },
            "preferredDuringSchedulingIgnoredDuringExecution": weighted(
                "Machines that are better than others.",
                "preference",
                &node_selector_term("Machines for which all of its conditions hold."),
            ),
        },
    })
}

fn pod_affinity(description: &str) -> Value {
    let mut term = pod_affinity_term();
    let preferred = weighted("Where pods are better placed.", "podAffinityTerm", &term);
    if let Some(term) = term.as_object_mut() {
        term.remove("description");
    }
    json!({
        "type": "object",
        "description": description,
        "properties": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "type": "array",
                "description": "Conditions that have to hold.",
                "maxItems": ITEMS,
                "x-kubernetes-list-type": "atomic",
                "items": term,
            },
            "preferredDuringSchedulingIgnoredDuringExecution": preferred,
        },
    })
}

fn pod_affinity_term() -> Value {
    json!({
        "type": "object",
        "description": "Which pods, and how near.",
        "required": ["topologyKey"],
        "properties": {
            "topologyKey": text("Label of machines that have the same value when they are near.", KEY),
            "labelSelector": label_selector("The pods."),
            "namespaces": words("Namespaces of the pods. Unset: the element's.", ITEMS, 63),
            "namespaceSelector": label_selector("Namespaces of the pods, by label."),
            "matchLabelKeys": words("Labels whose values are taken from the pod itself, to be equal.", ITEMS, KEY),
            "mismatchLabelKeys": words("Labels whose values are taken from the pod itself, to differ.", ITEMS, KEY),
        },
    })
}

fn weighted(description: &str, name: &str, term: &Value) -> Value {
    json!({
        "type": "array",
        "description": description,
        "maxItems": ITEMS,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "required": ["weight", name],
            "properties": {
                "weight": {
                    "type": "integer",
                    "format": "int32",
                    "minimum": 1,
                    "maximum": 100,
                    "description": "How much better.",
                },
                name: term,
            },
        },
    })
}
