//! Where the catalog is kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretKeyRef, SecretRef};
use crate::Quantity;

/// Exactly one of `embedded` and `postgres`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// SQLite inside of the one node, on a claim of its own named `NAME-db`. For one replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedDatabase>,

    /// A schema of its own in a PostgreSQL that you run. Needed for more than one replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresDatabase>,
}

impl Default for Database {
    fn default() -> Self {
        Self { embedded: Some(EmbeddedDatabase::default()), postgres: None }
    }
}

/// SQLite on a claim of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmbeddedDatabase {
    /// Size of the claim: about 1Gi for a million files. It may grow, like `backend.local.size`.
    #[serde(default = "five_gibibytes")]
    pub size: Quantity,

    /// The StorageClass of the claim, for good. Never one of a network file system: SQLite's locks do not hold there. Unset:
    /// the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::object_name")]
    pub storage_class_name: Option<String>,
}

impl Default for EmbeddedDatabase {
    fn default() -> Self {
        Self { size: five_gibibytes(), storage_class_name: None }
    }
}

/// A schema in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostgresDatabase {
    /// Secret and key that hold the connection URI, such as `postgresql://user:password@host:5432/database`. It may change at
    /// any time: nodes read it again. One that points at another element's catalog is refused before a byte is written.
    pub secret_ref: SecretKeyRef,

    /// The schema of this element; nodes create it. Unset: the element's name with `_` for each `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[a-z_][a-z0-9_]*$"))]
    pub schema: Option<String>,

    /// Secret with the key `ca.crt`: authorities to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,
}

impl PostgresDatabase {
    /// The schema in use for the element called `name`.
    pub fn schema_of(&self, name: &str) -> String {
        self.schema.clone().unwrap_or_else(|| name.replace('-', "_"))
    }
}

fn five_gibibytes() -> Quantity {
    Quantity::new("5Gi")
}
