//! What is counted: the master's term, space, files, keys.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Quantity;

/// The node that takes the writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Master {
    /// Its pod.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub pod: String,

    /// Number of its term. Each takeover raises it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,

    /// When it took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::time")]
    pub since: Option<Time>,
}

/// The claim of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// What the volume really has. `spec.backend.local.size` cannot be set below it.
    pub capacity: Quantity,
}

/// Space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// What there is: the smaller of the volume, its size and the quota. Unset for a bucket without quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<Quantity>,

    /// What is taken.
    pub used: Quantity,

    /// What is left. Unset for a bucket without quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<Quantity>,

    /// How bad it is: ok, warning (time to grow), critical (only small files are taken), full (none is).
    pub level: CapacityLevel,
}

/// How much room is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CapacityLevel {
    /// Room for everything.
    Ok,
    /// Time to grow it.
    Warning,
    /// Only small files are taken.
    Critical,
    /// No files are taken.
    Full,
}

/// Files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Files {
    /// Files that can be listed.
    #[serde(default)]
    pub active: u64,

    /// Deleted files whose bytes wait out their grace.
    #[serde(default)]
    pub deleted: u64,

    /// Writes that are announced and not settled yet.
    #[serde(default)]
    pub pending_wal: u64,
}

/// A key that tokens are checked with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// Its id, as tokens name it.
    #[schemars(length(min = 1, max = 256))]
    pub kid: String,

    /// Published (nodes are learning it), Active (it signs), or Retiring (no longer signs, still accepted).
    pub state: KeyState,

    /// When it is replaced, or no longer accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::time")]
    pub not_after: Option<Time>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum KeyState {
    /// Nodes are learning it.
    Published,
    /// It signs.
    Active,
    /// It no longer signs and is still accepted.
    Retiring,
}
