//! The protocol as a pure machine: what was observed, and when, in; what to send and what to believe, out.
//!
//! Nothing here reads a clock, waits or talks. [`State::step`] is the whole of it, so a simulation can drive thousands of
//! elections a second through every order of faults, and the thread that renews stays short and dull.

mod observed;
mod state;

pub use observed::{Action, Answer, Belief, Moment, Observation, RequestId, Seen, Wish, Write, WriteKind};
pub use state::State;
