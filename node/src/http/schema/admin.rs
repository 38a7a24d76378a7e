//! What admins and operators send, and what jobs tell.

use serde_json::Value;
use utoipa::ToSchema;

use super::{ModeName, ModePhaseName};

/// Why a hold is set or lifted.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldReason {
    /// Kept in the log, not with the file.
    #[schema(max_length = 1000, example = "Case 17/2026")]
    reason: Option<String>,
}

/// A change of mode, or one phase of it.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModeWish {
    /// The mode asked for.
    #[schema(value_type = ModeName, example = "ro")]
    mode: String,
    /// One part of the change; all of it when left out.
    #[schema(value_type = Option<ModePhaseName>)]
    phase: Option<String>,
    /// Names the change; every phase repeats it. Does not begin with a dot.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    transition_id: Option<String>,
    /// Rises when the orchestrator starts over; a lower one is refused.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    attempt: Option<u64>,
    /// A step back is meant.
    confirm: Option<bool>,
    /// Kept in the log.
    #[schema(max_length = 1000)]
    reason: Option<String>,
    /// How long running writes may take to end by themselves; then those still streaming are ended.
    #[schema(minimum = 0, maximum = 86_400)]
    drain_timeout_seconds: Option<u64>,
    /// Names a rollback, so that it is done once. Does not begin with a dot.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    rollback_request_id: Option<String>,
    /// Kept beside the data; with phase `commit` only.
    #[schema(value_type = Option<Object>, additional_properties = true)]
    report: Option<Value>,
}

/// What to verify.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyWish {
    /// Hash every file's data again.
    deep: Option<bool>,
    /// Correct rows by their attr files; never touches data. In `edit` and `rw` only.
    repair: Option<bool>,
    /// The most that is read for `deep`; 0 is without limit.
    #[schema(minimum = 0)]
    bytes_per_second: Option<u64>,
    /// Only files that changed at or after this moment.
    #[schema(format = DateTime)]
    since: Option<String>,
}

/// What to remove.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcWish {
    /// Also move data that nobody knows to `.quarantine/`.
    orphans: Option<bool>,
}

/// How far a job is.
#[derive(ToSchema)]
pub struct JobProgress {
    /// Files looked at.
    #[schema(minimum = 0)]
    done: u64,
    /// Files to look at, as far as is known.
    #[schema(minimum = 0)]
    total: u64,
    /// Bytes of data read.
    #[schema(minimum = 0)]
    bytes: u64,
    /// Files a second.
    #[schema(minimum = 0.0)]
    rate: f64,
    /// Seconds to the end; `null` while it cannot be told.
    #[schema(required, minimum = 0)]
    eta_seconds: Option<u64>,
}
