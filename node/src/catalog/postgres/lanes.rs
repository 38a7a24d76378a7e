//! The two lanes: tasks that own a connection each and do together what waits together.
//!
//! Intents lock the element's row against a takeover; commits do not, and neither waits for the other's fsync.

mod closings;
mod held;
mod intents;

pub(super) use closings::Closings;
pub(super) use intents::Intents;
