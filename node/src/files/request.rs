//! What callers ask of files, read and checked by `http/`.

use serde_json::{Map, Value};

use crate::model::Timestamp;

/// The fields of an upload beside the data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UploadFields {
    /// At most 1,000 characters.
    pub description: Option<String>,
    /// At most 64 characters.
    pub version: Option<String>,
    /// At most 50, each 1 to 64 characters, trimmed, without doubles.
    pub tags: Vec<String>,
    /// Any JSON object.
    pub metadata: Map<String, Value>,
    /// Keep it so many days from now: 1 to 36,500.
    pub retention_days: Option<u32>,
    /// SHA-256 that the data must have, lower-case hex.
    pub checksum: Option<String>,
}

/// A wish about a file's own retention date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionWish {
    /// No date of its own.
    Remove,
    /// Until this moment.
    Until(Timestamp),
    /// So many days from now.
    Days(u32),
}

/// A change to a file's description. A field that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch {
    /// `Some(None)` removes it.
    pub description: Option<Option<String>>,
    /// `Some(None)` removes it.
    pub version: Option<Option<String>>,
    /// Replaces all of them.
    pub tags: Option<Vec<String>>,
    /// A merge patch (RFC 7396) over the metadata; `Some(None)` removes all of it.
    pub metadata: Option<Option<Map<String, Value>>>,
    /// A wish about retention.
    pub retention: Option<RetentionWish>,
}
