//! What verify may find, and how it is counted.

use serde::Serialize;

/// Something that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An attr whose data is not there.
    MissingData,
    /// Data of another size than its attr says.
    SizeMismatch,
    /// Data with another SHA-256 than its attr says.
    ChecksumMismatch,
    /// An attr without a row.
    MissingRow,
    /// A row that says something else than its attr.
    StaleRow,
    /// A row without an attr.
    RowWithoutAttr,
    /// Data that neither an attr nor an open transaction knows.
    OrphanData,
    /// An attr that cannot be read.
    DamagedAttr,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// With which file.
    pub path: String,
    /// In words.
    pub message: String,
}

/// What was verified and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Attr files.
    pub files: u64,
    /// Bytes they describe.
    pub bytes: u64,
    /// Attrs whose data is not there.
    pub missing_data: u64,
    /// Data of another size.
    pub size_mismatch: u64,
    /// Data with another checksum.
    pub checksum_mismatch: u64,
    /// Attrs without a row.
    pub missing_row: u64,
    /// Rows that say something else than their attr.
    pub stale_row: u64,
    /// Rows without an attr.
    pub row_without_attr: u64,
    /// Data that nobody knows.
    pub orphan_data: u64,
    /// Attrs that cannot be read.
    pub damaged_attr: u64,
    /// Rows repaired.
    pub repaired: u64,
    /// How long it took.
    pub duration_ms: u64,
}

impl VerifyReport {
    /// Whether nothing was found, or everything found was repaired.
    pub const fn is_clean(&self) -> bool {
        self.findings() == self.repaired
    }

    /// How much was found.
    pub const fn findings(&self) -> u64 {
        self.missing_data
            + self.size_mismatch
            + self.checksum_mismatch
            + self.missing_row
            + self.stale_row
            + self.row_without_attr
            + self.orphan_data
            + self.damaged_attr
    }

    /// Counts a finding.
    pub(super) const fn count(&mut self, kind: FindingKind) {
        let count = match kind {
            FindingKind::MissingData => &mut self.missing_data,
            FindingKind::SizeMismatch => &mut self.size_mismatch,
            FindingKind::ChecksumMismatch => &mut self.checksum_mismatch,
            FindingKind::MissingRow => &mut self.missing_row,
            FindingKind::StaleRow => &mut self.stale_row,
            FindingKind::RowWithoutAttr => &mut self.row_without_attr,
            FindingKind::OrphanData => &mut self.orphan_data,
            FindingKind::DamagedAttr => &mut self.damaged_attr,
        };
        *count += 1;
    }
}
