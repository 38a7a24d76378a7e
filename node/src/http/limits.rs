//! How much of the node one client may take.

use std::time::Duration;

/// The longest path and query, in bytes: far above what lists need, far below what hurts.
pub const URI_LIMIT_BYTES: usize = 8 << 10;

/// Limits of requests and connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest file, in bytes; `None`: no limit.
    pub file_bytes: Option<u64>,
    /// The largest body that is not a file, in bytes.
    pub body_bytes: u64,
    /// The largest request head, in bytes.
    pub header_bytes: usize,
    /// The largest field of an upload beside the file, in bytes.
    pub field_bytes: u64,
    /// Connections at the same time; more wait in the system's queue.
    pub connections: usize,
    /// How long a client may take to send a request head.
    pub header_timeout: Duration,
    /// How long a body may stand still, in either direction.
    pub stall_timeout: Duration,
    /// How long a connection without a request stays open.
    pub idle_timeout: Duration,
    /// How long running requests may go on when the node stops.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: None,
            body_bytes: 1 << 20,
            header_bytes: 32 << 10,
            field_bytes: 64 << 10,
            connections: 4096,
            header_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(30),
        }
    }
}
