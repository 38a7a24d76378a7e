//! Sections about bounds: sizes, numbers, times.

use std::time::Duration;

use super::{Ask, Reader};

/// `limits`: what one client may take.
#[derive(Clone, Debug)]
pub struct LimitsConfig {
    /// The largest file, in bytes; `None`: no limit.
    pub file_bytes: Option<u64>,
    /// The largest body that is not a file, in bytes.
    pub body_bytes: u64,
    /// The largest request head, in bytes.
    pub header_bytes: usize,
    /// The largest field of an upload beside the file, in bytes.
    pub field_bytes: u64,
    /// Uploads at the same time; more are answered 429.
    pub concurrent_uploads: usize,
    /// How long a client may take to send a request head.
    pub header_timeout: Duration,
    /// How long a body may stand still.
    pub stall_timeout: Duration,
    /// How long a connection without a request stays open.
    pub idle_timeout: Duration,
    /// How long running requests may go on when the node stops or the mode changes.
    pub drain_timeout: Duration,
}

impl LimitsConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let narrow = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
        Self {
            file_bytes: r
                .size(
                    Ask("limits.file_bytes", "0", "The largest file; 0: no limit but the space there is."),
                    0,
                    u64::MAX,
                )
                .filter(|&bytes| bytes > 0),
            body_bytes: r
                .size(Ask("limits.body_bytes", "1MiB", "The largest body that is not a file."), 1 << 10, 1 << 30)
                .unwrap_or_default(),
            // hyper does not go below 8 KiB.
            header_bytes: narrow(r.size(
                Ask("limits.header_bytes", "32KiB", "The largest request line and headers together, at least 8KiB."),
                8 << 10,
                1 << 20,
            )),
            field_bytes: r
                .size(
                    Ask("limits.field_bytes", "64KiB", "The largest field of an upload beside the file."),
                    1 << 10,
                    16 << 20,
                )
                .unwrap_or_default(),
            concurrent_uploads: narrow(r.whole(
                Ask("limits.concurrent_uploads", "512", "Uploads at the same time; more are answered 429."),
                1,
                100_000,
                "uploads",
            )),
            header_timeout: r.seconds(
                Ask("limits.header_timeout_seconds", "10", "How long a client may take to send a request's head."),
                3600,
            ),
            stall_timeout: r.seconds(
                Ask("limits.stall_timeout_seconds", "30", "How long a body may stand still in either direction."),
                3600,
            ),
            idle_timeout: r.seconds(
                Ask("limits.idle_timeout_seconds", "75", "How long a connection without a request stays open."),
                86_400,
            ),
            drain_timeout: r.seconds(
                Ask("limits.drain_timeout_seconds", "30", "How long running requests may go on when the node stops."),
                86_400,
            ),
        }
    }
}

/// `cache`: how old a row of the catalog may be before a read looks at its attr again.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// In `edit` and `rw`.
    pub ttl: Duration,
    /// In `ro` and `ar`.
    pub ttl_sealed: Duration,
}

impl CacheConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        Self {
            ttl: r
                .hours(
                    Ask(
                        "cache.ttl_hours",
                        "24",
                        "In `edit` and `rw`, a catalog row older than this is refreshed from its attr file \
                 when it is read.",
                    ),
                    1,
                )
                .unwrap_or_default(),
            ttl_sealed: r
                .hours(Ask("cache.ttl_hours_sealed", "168", "The same in `ro` and `ar`."), 1)
                .unwrap_or_default(),
        }
    }
}
