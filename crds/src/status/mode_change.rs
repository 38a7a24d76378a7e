//! Changes of mode: the one under way, and those that were.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Mode;
use crate::element::Verify;

/// A mode the element has been in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModeRecord {
    /// The mode.
    pub mode: Mode,

    /// Since when.
    #[schemars(schema_with = "crate::schema::time")]
    pub since: Time,

    /// Why: asked for in the spec, by a rule of the lifecycle, by an admin of the node, or found so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,

    /// What was checked on the way to it; the whole report lies beside the files, in `.element/transitions/ID.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<TransitionReport>,
}

/// Summary of the report of a finished change of mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransitionReport {
    /// Id of the transition, and of its report beside the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub id: Option<String>,

    /// What was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,

    /// Files looked at.
    #[serde(default)]
    pub files: u64,

    /// Their size in bytes.
    #[serde(default)]
    pub bytes: u64,

    /// Faults found. 0, or there would have been no change.
    #[serde(default)]
    pub mismatches: u64,

    /// How long it took.
    #[serde(default)]
    pub duration_seconds: u64,
}

/// The change of mode that is under way, or the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransitionStatus {
    /// Id of the transition.
    #[schemars(length(min = 1, max = 63))]
    pub id: String,

    /// The mode that is left.
    pub from: Mode,

    /// The mode that is entered.
    pub to: Mode,

    /// How far it is: Pending, Verifying (writes go on), Draining (running writes end), Settling, Committing, Rolling (pods
    /// take their new shape), Completed; or Aborting, Failed.
    pub phase: Phase,

    /// How often it was tried. A node refuses an attempt lower than one it has seen.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub attempt: u32,

    /// When this attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::time")]
    pub started_at: Option<Time>,

    /// When the phase is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::time")]
    pub deadline: Option<Time>,

    /// How much is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,

    /// What it waits for, or why it failed, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub message: Option<String>,
}

/// How far a change of mode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Asked for, not begun.
    Pending,
    /// Files are checked; writes go on.
    Verifying,
    /// New writes are refused, running ones end.
    Draining,
    /// What changed since Verifying began is settled and checked.
    Settling,
    /// The element takes the mode.
    Committing,
    /// Pods take their new shape.
    Rolling,
    /// Done.
    Completed,
    /// On the way back to the old mode.
    Aborting,
    /// Given up; the element is in the old mode.
    Failed,
}

impl Phase {
    /// Whether nothing more happens by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// How much of the files is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Files looked at.
    #[serde(default)]
    pub done: u64,

    /// Files to look at; 0 while that is not known.
    #[serde(default)]
    pub total: u64,

    /// Bytes read.
    #[serde(default)]
    pub bytes: u64,
}
