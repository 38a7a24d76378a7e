//! Jobs: rows of a table, so that every node sees them and they outlive the one that runs them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::Timestamp;

/// A kind of job; one of a kind runs at a time, across nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Makes the cache again.
    Rebuild,
    /// Verifies every file.
    Verify,
    /// Removes what has expired.
    Gc,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// At work.
    Running,
    /// Ended with its work done.
    Succeeded,
    /// Ended by an error.
    Failed,
    /// Ended by somebody's wish.
    Cancelled,
    /// Its process ended first.
    Interrupted,
}

/// A row of the jobs table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobRow {
    /// The job.
    pub job_id: Uuid,
    /// What it does.
    pub kind: JobKind,
    /// How it stands.
    pub state: JobState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How far it is: `{done, total, bytes, rate, eta_seconds}`.
    pub progress: serde_json::Value,
    /// What it found, or why it failed.
    pub report: Option<serde_json::Value>,
    /// Who runs it, as the election names it.
    pub node: String,
}

impl JobKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Rebuild, Self::Verify, Self::Gc];

    /// The name in the catalog, the API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Verify => "verify",
            Self::Gc => "gc",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled, Self::Interrupted];

    /// The name in the catalog and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}
