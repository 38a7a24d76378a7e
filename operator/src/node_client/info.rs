//! What a node says of its element: `GET /api/v1/info`.

use serde::Deserialize;
use storage_element_crds::Mode;
use tokio::time::Instant;

/// What the nodes of an element last said.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// What was told in the status.
    pub info: Option<Info>,
    /// The last answer, whether or not it moved enough to be told.
    pub last: Option<Info>,
    /// Why the last call failed; `None` if it did not.
    pub failure: Option<String>,
    /// When the last call ended.
    pub asked_at: Option<Instant>,
}

impl Observation {
    /// The last answer, unless a later call failed.
    pub fn fresh(&self) -> Option<&Info> {
        self.last.as_ref().filter(|_| self.failure.is_none())
    }
}

/// The answer, as far as it matters here. Unknown fields come from newer nodes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Info {
    /// The element's id.
    pub element_id: String,
    /// The node's version.
    pub version: String,
    /// The mode in force.
    pub mode: Mode,
    /// Number of the term.
    #[serde(default)]
    pub epoch: u64,
    /// Who is master, as the Lease says.
    #[serde(default)]
    pub master: Option<String>,
    /// Space.
    #[serde(default)]
    pub capacity: CapacityInfo,
    /// Files; `None` while the catalog does not answer.
    #[serde(default)]
    pub files: Option<FilesInfo>,
    /// What keeps files; `None` while the catalog does not answer.
    #[serde(default)]
    pub retention: Option<RetentionInfo>,
}

/// Space in bytes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct CapacityInfo {
    /// What there is.
    #[serde(default)]
    pub total: Option<u64>,
    /// What is taken.
    #[serde(default)]
    pub used: u64,
    /// What is left.
    #[serde(default)]
    pub available: Option<u64>,
    /// ok, warning, critical, full.
    #[serde(default)]
    pub level: String,
}

/// Numbers of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct FilesInfo {
    /// That can be listed.
    pub active: u64,
    /// Deleted, in their grace.
    pub deleted: u64,
    /// Writes that are not settled.
    pub pending_wal: u64,
}

/// What keeps files from being deleted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct RetentionInfo {
    /// The latest date, RFC 3339.
    #[serde(default)]
    pub latest_until: Option<String>,
    /// Files held.
    #[serde(default)]
    pub legal_holds: u64,
}

impl Info {
    /// Whether `newer` is to be told: something that matters changed, or a number moved by a hundredth.
    pub fn differs_from(&self, newer: &Self) -> bool {
        let same = self.element_id == newer.element_id
            && self.version == newer.version
            && self.mode == newer.mode
            && self.epoch == newer.epoch
            && self.capacity.level == newer.capacity.level
            && self.files.is_some() == newer.files.is_some();
        let numbers = |info: &Self| {
            let files = info.files.unwrap_or_default();
            [info.capacity.total.unwrap_or(0), info.capacity.used, files.active, files.deleted]
        };
        !same || numbers(self).into_iter().zip(numbers(newer)).any(|(told, now)| moved(told, now))
    }
}

/// By a hundredth, or to or from nothing.
fn moved(told: u64, now: u64) -> bool {
    told != now && (told == 0 || now == 0 || told.abs_diff(now) >= told.div_ceil(100))
}

#[cfg(test)]
mod tests {
    use super::{Info, moved};

    #[test]
    fn numbers_are_told_when_they_moved_by_a_hundredth() {
        assert!(!moved(1000, 1009) && moved(1000, 1010) && moved(1000, 990));
        assert!(moved(0, 1) && moved(1, 0) && moved(5, 6) && !moved(0, 0));
    }

    #[test]
    fn an_answer_of_a_newer_node_is_understood() {
        let info: Info = serde_json::from_str(
            r#"{"element_id":"e","version":"9","mode":"rw","epoch":3,"new":{"x":1},"master":null,
                "capacity":{"total":null,"used":5,"available":null,"level":"ok"},"files":null,"retention":null}"#,
        )
        .unwrap();
        assert!(!info.differs_from(&info.clone()));
        assert!(info.differs_from(&Info { epoch: 4, ..info.clone() }));
    }
}
