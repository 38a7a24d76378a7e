//! What a claim says.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::storage::Claimed;

const SCHEMA_VERSION: u32 = 1;

/// What the process that serves a storage writes, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    schema_version: u32,
    /// The process, for people.
    pub(super) holder: String,
    /// The process.
    pub(super) process: Uuid,
    /// Which catalog it holds the lock of, as a digest of where that is.
    pub(super) catalog: String,
    /// How often it has said so: no two records are alike.
    pub(super) beat: u64,
    /// It serves no longer.
    pub(super) released: bool,
}

impl Record {
    pub(super) fn new(holder: &str, catalog: &str) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            holder: holder.to_owned(),
            process: Uuid::new_v4(),
            catalog: catalog.to_owned(),
            beat: 0,
            released: false,
        }
    }

    /// `None` when it is not readable: whoever wrote it may be alive.
    pub(super) fn of(claimed: &Claimed) -> Option<Self> {
        serde_json::from_slice(&claimed.bytes).ok()
    }

    /// The next writing of it.
    pub(super) fn next(&mut self) -> Result<Bytes, serde_json::Error> {
        self.beat += 1;
        serde_json::to_vec_pretty(self).map(Bytes::from)
    }
}

/// Whether a claim has to be watched before another one may stand in its place.
///
/// One whose process held the same catalog's lock, which is ours now, has ended: nobody else can be asked.
pub(super) fn has_to_be_watched(found: Option<&Claimed>, catalog: &str) -> bool {
    let Some(found) = found else { return false };
    Record::of(found).is_none_or(|record| !record.released && record.catalog != catalog)
}

/// Who wrote a claim, for people.
pub(super) fn holder(claimed: Option<&Claimed>) -> String {
    match claimed.and_then(Record::of) {
        Some(record) => format!("by {}, with another catalog", record.holder),
        None => "by another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Claimed, Record, has_to_be_watched};

    #[test]
    fn only_what_may_be_alive_is_watched() {
        let claimed = |mut record: Record| Claimed { bytes: record.next().unwrap(), tag: None };
        let record = Record::new("process 1 on host", "here");
        let released = Record { released: true, ..record.clone() };
        assert!(!has_to_be_watched(None, "here"), "nobody was here");
        assert!(!has_to_be_watched(Some(&claimed(record.clone())), "here"), "its lock is ours");
        assert!(has_to_be_watched(Some(&claimed(record)), "elsewhere"), "its lock is not ours");
        assert!(!has_to_be_watched(Some(&claimed(released)), "elsewhere"), "it said good-bye");
        let unknown = Claimed { bytes: "?".into(), tag: None };
        assert!(has_to_be_watched(Some(&unknown), "here"), "whatever wrote it");
    }
}
