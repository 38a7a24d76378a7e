//! What keeps an element from being as it should be, in words a person can act on.

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Why, in one word that programs can compare.
    pub reason: &'static str,
    /// What happened, to which thing, and what to do.
    pub message: String,
    /// It does not go away by itself.
    pub needs_a_person: bool,
}

impl Problem {
    /// Something that goes away only when a person does something.
    pub fn stalls(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), needs_a_person: true }
    }

    /// Something that is waited for.
    pub fn waits(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), needs_a_person: false }
    }
}
