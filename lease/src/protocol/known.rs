//! What is known of the Lease, and since when.

use std::time::Duration;

use super::Seen;
use crate::BootInstant;

/// The Lease as far as this candidate knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lease {
    /// Never read.
    Unread,
    /// There was none when it was last looked for.
    Absent,
    /// As last seen.
    There(Known),
}

/// A Lease that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) seen: Seen,
    /// When this version was first seen here. Whoever holds it wrote it before.
    pub(super) changed_at: BootInstant,
    /// It took the place of another that was deleted, and no holder of it was seen since: somebody may still count on
    /// the deadline of the one before, which said that this long has to be waited.
    pub(super) replaced: Option<Duration>,
}

impl Known {
    /// How long nobody but the holder may touch it after a change, as far as it says so itself.
    pub(super) fn recorded(&self) -> Option<Duration> {
        self.seen.duration.max(self.replaced)
    }
}

impl Lease {
    pub(super) const fn known(&self) -> Option<&Known> {
        match self {
            Self::There(known) => Some(known),
            Self::Unread | Self::Absent => None,
        }
    }
}

/// Whether `one` is from before `other`.
///
/// Versions are opaque in principle and rising numbers in fact, for every object of a cluster. One that is no number is
/// taken for news: what is then decided on it is refused by the server if it is old.
pub(super) fn is_before(one: &Seen, other: &Seen) -> bool {
    match (one.version.parse::<u64>(), other.version.parse::<u64>()) {
        (Ok(one), Ok(other)) => one < other,
        _ => false,
    }
}
