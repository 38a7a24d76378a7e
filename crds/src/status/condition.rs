//! Conditions, in the form of `metav1.Condition`, so that `kubectl wait` and kstatus read them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that is True, False or Unknown of the element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: String,

    /// True, False or Unknown.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub status: String,

    /// The `metadata.generation` that it was judged at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// When `status` last changed.
    #[schemars(schema_with = "crate::schema::time")]
    pub last_transition_time: Time,

    /// Why, in one word that programs can compare.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,

    /// Why, in a sentence that says what to do.
    #[schemars(length(max = 8192))]
    pub message: String,
}

/// The conditions that the operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Reads, and in `edit` and `rw` writes, are served.
    Ready,
    /// The operator is working on it (as kstatus has it).
    Reconciling,
    /// It cannot go on without a person (as kstatus has it).
    Stalled,
    /// At least one node answers.
    Available,
    /// A change of mode is under way.
    ModeTransition,
    /// The element's mode is not the one asked for.
    ModeDrift,
    /// Tokens can be checked.
    KeysValid,
    /// The nodes reach storage and database.
    BackendReachable,
}

impl ConditionType {
    /// Every condition, in the order they are written.
    pub const ALL: [Self; 8] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::Available,
        Self::ModeTransition,
        Self::ModeDrift,
        Self::KeysValid,
        Self::BackendReachable,
    ];

    /// The name in the status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Available => "Available",
            Self::ModeTransition => "ModeTransition",
            Self::ModeDrift => "ModeDrift",
            Self::KeysValid => "KeysValid",
            Self::BackendReachable => "BackendReachable",
        }
    }
}
