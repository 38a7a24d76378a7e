//! What clients saw of files that all of them change through all nodes, and whether a store that keeps what it
//! acknowledges could have shown it.

mod checker;
mod workload;

use std::time::Duration;

pub use self::checker::violations;
pub use self::workload::{Clients, Workload};

/// How far a standby may be behind the master (the specification: a change is followed within two seconds), with the time
/// that an answer lies in a busy machine's queues.
pub const LAG: Duration = Duration::from_millis(2_500);

/// One thing that a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which client.
    pub client: usize,
    /// Through which node.
    pub node: usize,
    /// Which file, by the number under which the workload knows it.
    pub file: usize,
    /// When it was asked, on one clock for all.
    pub began: Duration,
    /// When the answer was there, or it was given up.
    pub ended: Duration,
    /// What was asked.
    pub act: Act,
    /// What came of it.
    pub saw: Saw,
}

/// What a client asks for. A `mark` is a description that no other write has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Upload the file.
    Create {
        /// Its first description.
        mark: String,
    },
    /// Change its description.
    Update {
        /// Its new description.
        mark: String,
    },
    /// Delete it.
    Delete,
    /// Read its metadata.
    Read,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saw {
    /// A write was acknowledged as this revision (a delete: whatever it is).
    Done {
        /// The revision told; 0 when none is told.
        revision: u64,
    },
    /// A read showed this.
    Shown {
        /// The revision.
        revision: u64,
        /// The description.
        mark: String,
    },
    /// There is no such file.
    Gone,
    /// It was refused for certain: nothing happened.
    Refused,
    /// Whether it happened is not known.
    Unknown,
}
