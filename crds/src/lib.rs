//! What the storage node and the operator share.
//!
//! Today: the [`Mode`] of a storage element, what each mode allows, and which steps from one mode to another exist.

mod mode;

pub use mode::{Mode, Operation, Step, UnknownMode};
