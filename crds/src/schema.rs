//! Parts of the schema that the types cannot say by themselves. All of them are bounded: the API server estimates the cost
//! of the rules from the bounds.

pub(crate) mod affinity;
pub(crate) mod pod;

use schemars::{Schema, SchemaGenerator, json_schema};

/// Takes the description from the schema of an enum: where it is optional it would hide the one of the field.
pub(crate) fn of_the_field(schema: &mut Schema) {
    schema.remove("description");
}

/// A name of a Kubernetes object: a DNS subdomain (RFC 1123).
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 253,
        "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
    })
}

/// A key of a Secret or ConfigMap.
pub(crate) fn data_key(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[-._a-zA-Z0-9]+$"})
}

/// A UUID (RFC 9562) as the nodes write it: in lower case.
pub(crate) fn uuid(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "format": "uuid",
        "maxLength": 36,
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    })
}

/// A moment (RFC 3339).
pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// A quantity of apimachinery that is not negative.
pub(crate) fn quantity() -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "minimum": 0,
        "maxLength": 40,
        "pattern": r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$",
    })
}

/// Labels.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        },
    })
}

/// Annotations.
pub(crate) fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "maxLength": 16_384},
    })
}

/// The sections of the node's configuration file that the operator writes, and so refuses in `spec.config`.
pub const OWNED_CONFIG_SECTIONS: [&str; 9] =
    ["element", "election", "storage", "database", "auth", "retention", "tls", "server", "peer"];

/// The node's own settings: any, since the node judges them. The refused ones are declared, because a rule cannot ask for a
/// field that the schema does not know.
pub(crate) fn config(_: &mut SchemaGenerator) -> Schema {
    let mut schema = json_schema!({
        "type": "object",
        "maxProperties": 64,
        "x-kubernetes-preserve-unknown-fields": true,
        "properties": {},
    });
    if let Some(properties) = schema.get_mut("properties").and_then(|found| found.as_object_mut()) {
        for section in OWNED_CONFIG_SECTIONS {
            properties.insert(
                section.to_owned(),
                serde_json::json!({
                    "type": "object",
                    "description": "Refused: the operator writes this section.",
                    "x-kubernetes-preserve-unknown-fields": true,
                }),
            );
        }
    }
    schema
}
