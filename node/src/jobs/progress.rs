//! How far a long piece of work has come.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that the work raises and anyone may read meanwhile.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    bytes: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressView {
    /// Files looked at.
    pub done: u64,
    /// Files to look at, as far as is known; 0 when it is not.
    pub total: u64,
    /// Bytes of data read.
    pub bytes: u64,
}

impl Progress {
    /// Sets how many files there are to look at.
    pub fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// So many more files were looked at.
    pub fn add(&self, files: u64) {
        self.done.fetch_add(files, Ordering::Relaxed);
    }

    /// So many more bytes were read.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn view(&self) -> ProgressView {
        ProgressView {
            done: self.done.load(Ordering::Relaxed),
            total: self.total.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
