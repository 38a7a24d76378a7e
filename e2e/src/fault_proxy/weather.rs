//! What a proxy does to what passes.

use std::time::Duration;

/// What happens to everything that passes, from the moment it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Nothing.
    Fair,
    /// Faults by the proxy's seed.
    Rough,
    /// Nobody is there: what stands is cut, what comes is closed.
    Gone,
    /// Connections stand, and nothing passes.
    Silent,
    /// Everything takes so much longer.
    Slow(Duration),
    /// S3: this status answers every request, and the store hears of none. PostgreSQL: as [`Gone`](Self::Gone).
    Failing(u16),
}
