//! Schemas of the parts of a pod that `spec.podTemplate` takes over.
//!
//! Source: the OpenAPI document of Kubernetes 1.34 (`io.k8s.api.core.v1`), with bounds, and without what makes no sense for a
//! node (windowsOptions, and what would run it as root).

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// `ResourceRequirements`, without `claims`.
pub(crate) fn resources(_: &mut SchemaGenerator) -> Schema {
    let amounts = |description: &str| {
        json!({
            "type": "object",
            "description": description,
            "maxProperties": 16,
            "additionalProperties": super::quantity(),
        })
    };
    json_schema!({
        "type": "object",
        "properties": {
            "requests": amounts("What a machine must have free for the pod."),
            "limits": amounts("What the pod may take at most."),
        },
    })
}

/// `[]Toleration`.
pub(crate) fn tolerations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "properties": {
                "key": text("Key of the taint. Unset: all keys, with the operator Exists.", 317),
                "operator": choice("Exists, or Equal (the default) to value.", &["Exists", "Equal"]),
                "value": text("Value of the taint.", 63),
                "effect": choice(
                    "Effect of the taint. Unset: all effects.",
                    &["NoSchedule", "PreferNoSchedule", "NoExecute"],
                ),
                "tolerationSeconds": {
                    "type": "integer",
                    "format": "int64",
                    "description": "How long NoExecute is tolerated. Unset: for ever.",
                },
            },
        },
    })
}

/// `[]TopologySpreadConstraint`.
pub(crate) fn topology_spread_constraints(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["topologyKey", "whenUnsatisfiable"],
        "items": {
            "type": "object",
            "required": ["maxSkew", "topologyKey", "whenUnsatisfiable"],
            "properties": {
                "maxSkew": {
                    "type": "integer",
                    "format": "int32",
                    "minimum": 1,
                    "description": "By how many pods two domains may differ.",
                },
                "topologyKey": text("Label of machines whose values are the domains.", 317),
                "whenUnsatisfiable": choice(
                    "What happens to a pod that cannot be placed so.",
                    &["DoNotSchedule", "ScheduleAnyway"],
                ),
                "minDomains": {
                    "type": "integer",
                    "format": "int32",
                    "minimum": 1,
                    "description": "How many domains there have to be.",
                },
                "nodeAffinityPolicy": choice("Whether nodeSelector and affinity count.", &["Honor", "Ignore"]),
                "nodeTaintsPolicy": choice("Whether taints count.", &["Honor", "Ignore"]),
                "labelSelector": super::affinity::label_selector("The pods that are counted."),
                "matchLabelKeys": words("Labels whose values are taken from the pod itself.", 8, 317),
            },
        },
    })
}

/// `[]EnvVar`.
pub(crate) fn env(_: &mut SchemaGenerator) -> Schema {
    let mut divisor = super::quantity();
    divisor.insert("description".to_owned(), "The unit of the value, such as 1Mi. Unset: 1.".into());
    let key_of = |description: &str| {
        json!({
            "type": "object",
            "description": description,
            "required": ["name", "key"],
            "properties": {
                "name": text("Its name.", 253),
                "key": text("The key in it.", 253),
                "optional": {"type": "boolean", "description": "Start without it."},
            },
        })
    };
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {
                    "type": "string",
                    "description": "Name of the variable.",
                    "minLength": 1,
                    "maxLength": 253,
                    "pattern": "^[-._a-zA-Z][-._a-zA-Z0-9]*$",
                },
                "value": text("Its value; `$(NAME)` is replaced by that variable.", 32_768),
                "valueFrom": {
                    "type": "object",
                    "description": "Where its value comes from, instead of value.",
                    "properties": {
                        "secretKeyRef": key_of("A key of a Secret."),
                        "configMapKeyRef": key_of("A key of a ConfigMap."),
                        "fieldRef": {
                            "type": "object",
                            "description": "A field of the pod, such as status.hostIP.",
                            "required": ["fieldPath"],
                            "properties": {
                                "apiVersion": text("Version of the schema that fieldPath is written for.", 63),
                                "fieldPath": text("The field.", 512),
                            },
                        },
                        "resourceFieldRef": {
                            "type": "object",
                            "description": "A limit or request of a container.",
                            "required": ["resource"],
                            "properties": {
                                "containerName": text("The container.", 63),
                                "resource": text("The resource, such as limits.memory.", 253),
                                "divisor": divisor,
                            },
                        },
                    },
                },
            },
        },
    })
}

/// `PodSecurityContext`, without what would run a node as root.
pub(crate) fn security_context(_: &mut SchemaGenerator) -> Schema {
    let id = |description: &str, minimum: i64| json!({"type": "integer", "format": "int64", "minimum": minimum, "description": description});
    let profile = |description: &str| {
        json!({
            "type": "object",
            "description": description,
            "required": ["type"],
            "properties": {
                "type": choice("RuntimeDefault, or Localhost for a profile of the machine.", &["RuntimeDefault", "Localhost"]),
                "localhostProfile": text("Name of the profile on the machine.", 512),
            },
        })
    };
    json_schema!({
        "type": "object",
        "properties": {
            "runAsUser": id("User id of the process. Never 0.", 1),
            "runAsGroup": id("Group id of the process.", 0),
            "runAsNonRoot": {"type": "boolean", "enum": [true], "description": "Always true."},
            "fsGroup": id("Group that volumes are made writable for.", 0),
            "fsGroupChangePolicy": choice(
                "When the files of a volume are given to fsGroup. OnRootMismatch (the default) does not walk years of files at each start.",
                &["OnRootMismatch", "Always"],
            ),
            "supplementalGroups": {
                "type": "array",
                "description": "Further groups of the process.",
                "maxItems": 32,
                "x-kubernetes-list-type": "atomic",
                "items": {"type": "integer", "format": "int64", "minimum": 0},
            },
            "supplementalGroupsPolicy": choice("Whether groups of the image count.", &["Merge", "Strict"]),
            "seLinuxChangePolicy": choice("How labels are given to volumes.", &["MountOption", "Recursive"]),
            "seLinuxOptions": {
                "type": "object",
                "description": "SELinux labels of the process.",
                "properties": {
                    "level": text("Level.", 253),
                    "role": text("Role.", 253),
                    "type": text("Type.", 253),
                    "user": text("User.", 253),
                },
            },
            "seccompProfile": profile("Seccomp profile of the process."),
            "appArmorProfile": profile("AppArmor profile of the process."),
        },
    })
}

pub(super) fn text(description: &str, max_length: u32) -> Value {
    json!({"type": "string", "description": description, "maxLength": max_length})
}

pub(super) fn choice(description: &str, values: &[&str]) -> Value {
    json!({"type": "string", "description": description, "enum": values})
}

pub(super) fn words(description: &str, max_items: u32, max_length: u32) -> Value {
    json!({
        "type": "array",
        "description": description,
        "maxItems": max_items,
        "x-kubernetes-list-type": "atomic",
        "items": {"type": "string", "maxLength": max_length},
    })
}
