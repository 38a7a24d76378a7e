//! Long work over all files: making the cache again, and verifying it.

mod finding;
mod gc;
mod progress;
mod rebuild;
mod runner;
mod verify;

pub use finding::{Finding, FindingKind, VerifyReport};
pub use gc::{Expire, GcReport};
pub use progress::{Progress, ProgressView};
pub use rebuild::{RebuildReport, rebuild};
pub use runner::{CancelError, JobRequest, Jobs, JobsParts, StartError};
pub use verify::{VerifyOptions, verify};

use crate::catalog::CatalogError;
use crate::storage::StorageError;

/// Why a job ended before its work was done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The catalog does not answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The storage does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// This node is no longer the master.
    #[error("another node has taken over: start the job there again")]
    TermOver,
    /// Node and catalog do not agree on the time.
    #[error(
        "the clocks of node and catalog differ by {seconds} s: nothing is removed until they agree within a minute"
    )]
    ClocksDiffer {
        /// By how much.
        seconds: u64,
    },
    /// Somebody cancelled it.
    #[error("it was cancelled")]
    Cancelled,
    /// A part of it ended abnormally: a defect.
    #[error("a part of the job ended abnormally: {0}")]
    Defect(String),
}
