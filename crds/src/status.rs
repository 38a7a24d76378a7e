//! What the operator has observed: the `status` of a `StorageElement`.
//!
//! All of it can be derived again from the cluster and the nodes. The arbiter of the mode is the element itself
//! (`element.json` and the catalog's config row), not this record.

mod condition;
mod mode_change;
mod numbers;

pub use condition::{Condition, ConditionType};
pub use mode_change::{ModeRecord, Phase, Progress, TransitionReport, TransitionStatus};
pub use numbers::{Capacity, CapacityLevel, Claim, Files, KeyState, KeyStatus, Master};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Mode;

/// What the operator has observed. Written by it alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageElementStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// What is true of the element. `Ready`: reads, and in `edit` and `rw` writes, are served (it stays True through a change
    /// of mode while reads are served). `Reconciling`: the operator is working on it. `Stalled`: it cannot go on without
    /// you. `Available`: at least one node answers. `ModeTransition`: a change of mode is under way. `ModeDrift`: the
    /// element's mode is not the one asked for. `KeysValid`: tokens can be checked. `BackendReachable`: the nodes reach
    /// storage and database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,

    /// The element's id, a UUID made with the element and kept with its files.
    #[serde(default, rename = "elementID", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::uuid")]
    pub element_id: Option<String>,

    /// The mode in force, as the element itself says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,

    /// The mode the element is moving to: the latest of `spec.mode`, what `spec.lifecycle` has reached, and `mode`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_mode: Option<Mode>,

    /// Why that is the mode to be: asked for in the spec, by a rule of the lifecycle, or found on the element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub mode_reason: Option<String>,

    /// The last ten modes, the latest first, each with the report of the change that led to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "atomic"))]
    pub mode_history: Vec<ModeRecord>,

    /// The change of mode that is under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition: Option<TransitionStatus>,

    /// The node that takes the writes. Unset in `ro` and `ar`, which need none, and while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<Master>,

    /// Nodes that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,

    /// Nodes that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ready_replicas: Option<i32>,

    /// Label selector of the nodes' pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,

    /// Version of the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub version: Option<String>,

    /// What keeps the files: `local` or `s3`, for the column Backend of `kubectl get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendKind>,

    /// The claim of `spec.backend.local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,

    /// Space. Written when it moved by a hundredth, or when the level changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,

    /// Files. Written when they moved by a hundredth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,

    /// The keys that tokens are checked with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["kid"])
    )]
    pub keys: Vec<KeyStatus>,
}

/// What keeps the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = crate::schema::of_the_field)]
pub enum BackendKind {
    /// A volume.
    Local,
    /// A bucket.
    S3,
}
