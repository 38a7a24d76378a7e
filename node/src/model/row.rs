//! What the catalog caches of one file, and of all files together.

use serde::Serialize;

use super::{Attr, Timestamp, TransactionId};

/// The cached copy of one attr file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileRow {
    /// The attr file as it was last seen.
    pub attr: Attr,
    /// When the copy was made or last compared with the attr file.
    pub cached_at: Timestamp,
    /// The attr file could not be read when it was last looked at; the row is what was known before.
    pub damaged: bool,
    /// A transaction of this file that settling could not decide: the file is not shown and takes no writes.
    pub blocked_by: Option<TransactionId>,
}

/// Sums over all files of the element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Files that are not deleted.
    pub active_files: u64,
    /// Their bytes.
    pub active_bytes: u64,
    /// Files that are deleted, their bytes perhaps still kept.
    pub deleted_files: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
}
