//! How long and how much is measured.

use std::time::Duration;

/// The sizes of one run.
pub struct Plan {
    pub name: &'static str,
    /// Each measurement is repeated so often, the sides taking turns; the median counts.
    pub rounds: usize,
    /// How long one side is measured in one round.
    pub window: Duration,
    pub upload_clients: &'static [usize],
    pub large_bytes: u64,
    pub small_files: usize,
    pub read_clients: usize,
}

impl Plan {
    /// Under three minutes.
    pub fn full() -> Self {
        Self {
            name: "full",
            rounds: 3,
            window: Duration::from_secs(3),
            upload_clients: &[1, 16, 64],
            large_bytes: 1 << 30,
            small_files: 1_000,
            read_clients: 32,
        }
    }

    /// A few seconds, to prove that it runs; its numbers say nothing.
    pub fn smoke() -> Self {
        Self {
            name: "smoke",
            rounds: 1,
            window: Duration::from_millis(300),
            upload_clients: &[1, 16],
            large_bytes: 16 << 20,
            small_files: 50,
            read_clients: 8,
        }
    }
}
