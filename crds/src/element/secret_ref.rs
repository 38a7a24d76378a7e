//! References to Secrets. Nodes read their content; the operator only ever asks whether they exist.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Secret in the namespace of the element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub name: String,
}

/// One key of a Secret in the namespace of the element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub name: String,

    /// The key in it.
    #[serde(default = "uri")]
    #[schemars(schema_with = "crate::schema::data_key")]
    pub key: String,
}

fn uri() -> String {
    "uri".to_owned()
}
