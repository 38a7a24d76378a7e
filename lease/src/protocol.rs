//! The protocol as a pure machine: what was observed, and when, in; what to send and what to believe, out.
//!
//! Nothing here reads a clock, waits or talks. [`State::step`] is the whole of it, so a simulation can drive thousands of
//! elections a second through every order of faults, and the thread that renews stays short and dull.

mod known;
mod news;
mod observed;
mod plan;
mod rules;
mod state;
#[cfg(test)]
mod tests;

pub use self::observed::{Action, Answer, Belief, Moment, Observation, RequestId, Seen, Wish, Write, WriteKind};
#[cfg(test)]
pub(crate) use self::rules::Rule;
pub use self::state::State;
