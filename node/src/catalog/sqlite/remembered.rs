//! Rows read lately, so that reading a file by id again needs no statement: two switches of threads cost more than all
//! the rest of such a request.
//!
//! One process has the file for itself, so every change passes the writer, which makes rows be forgotten before it
//! answers. A reader may still hold a row from before: it is remembered only if nothing was forgotten since it looked.

use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use uuid::Uuid;

use crate::model::FileRow;

/// Rows remembered, about 2 KiB each.
const ROWS: u64 = 4096;
/// Files are counted in so many parts, so that a change of one file seldom keeps another from being remembered.
const PARTS: usize = 256;

/// Rows read lately.
pub(super) struct Remembered {
    rows: Cache<Uuid, FileRow>,
    forgotten: [AtomicU64; PARTS],
}

/// What was forgotten when a reader began to look.
#[derive(Clone, Copy)]
pub(super) struct Looked(u64);

impl Remembered {
    pub(super) fn new() -> Self {
        Self { rows: Cache::new(ROWS), forgotten: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// The row, if it is remembered.
    pub(super) fn get(&self, file_id: Uuid) -> Option<FileRow> {
        self.rows.get(&file_id)
    }

    /// To be called before a row is read.
    pub(super) fn look(&self, file_id: Uuid) -> Looked {
        Looked(self.part(file_id).load(Ordering::SeqCst))
    }

    /// Remembers a row that was read after `looked`, unless its file may have changed since.
    pub(super) fn remember(&self, looked: Looked, row: &FileRow) {
        let file_id = row.attr.file_id;
        if self.look(file_id).0 != looked.0 {
            return;
        }
        self.rows.insert(file_id, row.clone());
        // A change may have come between the comparison and the insertion.
        if self.look(file_id).0 != looked.0 {
            self.rows.invalidate(&file_id);
        }
    }

    /// A file's row has changed.
    pub(super) fn forget(&self, file_id: Uuid) {
        self.part(file_id).fetch_add(1, Ordering::SeqCst);
        self.rows.invalidate(&file_id);
    }

    /// Any row may have changed.
    pub(super) fn forget_all(&self) {
        for part in &self.forgotten {
            part.fetch_add(1, Ordering::SeqCst);
        }
        self.rows.invalidate_all();
    }

    fn part(&self, file_id: Uuid) -> &AtomicU64 {
        &self.forgotten[usize::from(file_id.as_bytes()[15]) % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::Remembered;
    use crate::model::{FileRow, Timestamp};
    use crate::settling::tests::attr;

    #[test]
    fn a_row_read_before_a_change_is_not_remembered_after_it() {
        let remembered = Remembered::new();
        let row = FileRow { attr: attr(), cached_at: Timestamp::now(), damaged: false, blocked_by: None };
        let id = row.attr.file_id;
        let looked = remembered.look(id);
        remembered.remember(looked, &row);
        assert_eq!(remembered.get(id), Some(row.clone()));
        for forget in [|all: &Remembered, id| all.forget(id), |all: &Remembered, _| all.forget_all()] {
            let looked = remembered.look(id);
            forget(&remembered, id);
            assert_eq!(remembered.get(id), None);
            remembered.remember(looked, &row);
            assert_eq!(remembered.get(id), None);
            remembered.remember(remembered.look(id), &row);
            assert_eq!(remembered.get(id), Some(row.clone()));
        }
    }
}
