//! The machine.

/// One candidate.
#[derive(Debug)]
pub struct State {}
