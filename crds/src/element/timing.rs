//! How a change of mode is carried out, and how fast a master is replaced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Mode;

/// How a change of mode is carried out: checked while writes go on, then drained, settled and committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// How long running uploads may take to end once new ones are refused. Those that do not end by then are answered 503 and
    /// leave nothing behind.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 1, max = 86_400))]
    pub drain_timeout_seconds: u32,

    /// What is checked before a step forward. `Quick` compares catalog, descriptions and sizes; `Deep` reads every byte and
    /// compares checksums, which may take days; `None` checks nothing. A fault found stops the step and costs writers nothing.
    #[serde(default)]
    pub verify: Verify,

    /// Permission for one step back, `ro → rw` or `ar → ro`. Set it together with `mode`. It is carried out once for each
    /// `requestID`, which is remembered with the files, and may stay here afterwards. Rules of `lifecycle` that are due by then
    /// stay off until their values change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

impl Default for Transition {
    fn default() -> Self {
        Self { drain_timeout_seconds: five_minutes(), verify: Verify::default(), rollback: None }
    }
}

/// What is checked before a step forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::of_the_field)]
pub enum Verify {
    /// Nothing.
    None,
    /// Catalog, descriptions and sizes.
    #[default]
    Quick,
    /// Every byte.
    Deep,
}

/// Permission for one step back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// The mode that is left: what `status.mode` says.
    pub from: Mode,

    /// The mode before it.
    pub to: Mode,

    /// A word of your own that was not used before, such as a ticket or a date.
    #[serde(rename = "requestID")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"))]
    pub request_id: String,
}

/// Timings of the choice of the master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Election {
    /// For how long a mastership lasts without renewal: a standby waits this long before it takes over.
    #[serde(default = "fifteen")]
    #[schemars(range(min = 3, max = 600))]
    pub lease_duration_seconds: u32,

    /// After this long without a renewal that succeeds, the master stops by itself.
    #[serde(default = "ten")]
    #[schemars(range(min = 2, max = 599))]
    pub renew_deadline_seconds: u32,

    /// How long to wait between tries.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 300))]
    pub retry_period_seconds: u32,
}

impl Default for Election {
    fn default() -> Self {
        Self { lease_duration_seconds: fifteen(), renew_deadline_seconds: ten(), retry_period_seconds: two() }
    }
}

const fn five_minutes() -> u32 {
    300
}

const fn fifteen() -> u32 {
    15
}

const fn ten() -> u32 {
    10
}

const fn two() -> u32 {
    2
}
