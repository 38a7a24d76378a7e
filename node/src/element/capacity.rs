//! How full the element is, and what that means.

use serde::Serialize;

/// How full the element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Room for everything.
    Ok,
    /// Time to grow it.
    Warning,
    /// Only small files are taken.
    Critical,
    /// No files are taken; updating and deleting go on.
    Full,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Critical, Self::Full];

    /// The name in API and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Full => "full",
        }
    }
}

/// Bytes of the element's storage. Without a limit (S3 without quota) `total` and `available` are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// Bytes in all.
    pub total: Option<u64>,
    /// Bytes in use.
    pub used: u64,
    /// Bytes that can still be written.
    pub available: Option<u64>,
    /// What that means.
    pub level: Level,
}
