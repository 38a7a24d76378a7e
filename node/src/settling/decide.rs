//! What to do about an interrupted operation: a pure function from what was found to a decision.
//!
//! It looks at the transaction that the attr in place names, never at revision or epoch: those can repeat.

use crate::model::{Attr, FileStatus, OperationType, TransactionId};

/// What stands at the attr's place.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrFound {
    /// Nothing, or a tombstone.
    Absent,
    /// A description.
    Present(Box<Attr>),
    /// Something that cannot be read.
    Unreadable(String),
}

/// What stands at the data's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFound {
    /// Nothing.
    Absent,
    /// A file of so many bytes.
    Present(u64),
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The attr in place is this transaction's: it happened. Make it durable, cache it, COMMITTED.
    Redo(Box<Attr>),
    /// It happened, and a later transaction has changed the file since: cache what stands there now, COMMITTED.
    Superseded(Box<Attr>),
    /// The attr in place is this transaction's, its data is not: look where data is staged, then decide again.
    FinishData(Box<Attr>),
    /// It did not happen. Make it impossible that it still does, then decide again; if the answer stays, ROLLED_BACK,
    /// and with `remove_data` the data file that the row names goes: no attr can name it any more.
    Undo {
        /// Whether the row's data file goes.
        remove_data: bool,
    },
    /// Neither can be shown: FAILED, nothing is deleted, a person has to look.
    CannotTell(String),
}

/// Decides about transaction `tx` of kind `operation`. `looked_aside` says that staged data was already looked for.
pub fn decide(
    operation: OperationType,
    tx: TransactionId,
    attr: AttrFound,
    data: DataFound,
    looked_aside: bool,
) -> Decision {
    let attr = match attr {
        AttrFound::Present(attr) => attr,
        AttrFound::Absent => return Decision::Undo { remove_data: operation == OperationType::FileCreate },
        AttrFound::Unreadable(reason) => {
            return Decision::CannotTell(format!("the attr file cannot be read: {reason}"));
        }
    };
    if attr.tx != tx {
        // A create's path is its own: an attr that stands there and names another transaction can only have come after
        // it. Its data is an acknowledged file's and must never be removed. For an update nothing is removed anyway.
        return match operation {
            OperationType::FileCreate => Decision::Superseded(attr),
            _ => Decision::Undo { remove_data: false },
        };
    }
    match data {
        DataFound::Present(size) if size == attr.file_size => Decision::Redo(attr),
        // Bytes of a deleted file are on their way out: that they are gone already takes nothing from anyone.
        DataFound::Absent if attr.status == FileStatus::Deleted => Decision::Redo(attr),
        DataFound::Absent if !looked_aside => Decision::FinishData(attr),
        DataFound::Absent => Decision::CannotTell("its attr is in place, its data is not, nor is it staged".to_owned()),
        DataFound::Present(size) => Decision::CannotTell(format!(
            "its data has {size} bytes, its attr says {}: the data was changed outside of this program",
            attr.file_size
        )),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{AttrFound, DataFound, Decision, decide};
    use crate::model::{Attr, FileStatus, OperationType};
    use crate::settling::tests::attr;

    const OURS: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn present(tx: Uuid, status: FileStatus) -> (Box<Attr>, AttrFound) {
        let attr = Box::new(Attr { tx, status, file_size: 10, ..attr() });
        (attr.clone(), AttrFound::Present(attr))
    }

    #[test]
    fn each_case_has_its_decision() {
        use DataFound::{Absent, Present};
        use OperationType::{FileCreate, FileDelete, FileUpdate};
        let (ours, ours_found) = present(OURS, FileStatus::Active);
        let (other, other_found) = present(OTHER, FileStatus::Active);
        let (gone, gone_found) = present(OURS, FileStatus::Deleted);
        let undo = |remove_data| Decision::Undo { remove_data };
        let table = [
            (FileCreate, ours_found.clone(), Present(10), false, Decision::Redo(ours.clone())),
            (FileUpdate, ours_found.clone(), Present(10), false, Decision::Redo(ours.clone())),
            (FileDelete, gone_found.clone(), Present(10), false, Decision::Redo(gone.clone())),
            (FileDelete, gone_found, Absent, false, Decision::Redo(gone)),
            (FileCreate, ours_found.clone(), Absent, false, Decision::FinishData(ours.clone())),
            (FileUpdate, ours_found.clone(), Absent, false, Decision::FinishData(ours)),
            (FileCreate, AttrFound::Absent, Present(10), false, undo(true)),
            (FileCreate, AttrFound::Absent, Absent, false, undo(true)),
            (FileUpdate, AttrFound::Absent, Present(10), false, undo(false)),
            (FileDelete, AttrFound::Absent, Absent, false, undo(false)),
            (FileUpdate, other_found.clone(), Present(10), false, undo(false)),
            (FileDelete, other_found.clone(), Absent, false, undo(false)),
            (FileCreate, other_found, Present(10), false, Decision::Superseded(other)),
        ];
        for (operation, attr, data, aside, expected) in table {
            assert_eq!(decide(operation, OURS, attr.clone(), data, aside), expected, "{operation:?} {attr:?} {data:?}");
        }
        for (attr, data) in [
            (ours_found.clone(), Absent),
            (ours_found, Present(9)),
            (AttrFound::Unreadable("not JSON".to_owned()), Present(10)),
        ] {
            let decision = decide(FileCreate, OURS, attr.clone(), data, true);
            assert!(matches!(decision, Decision::CannotTell(_)), "{attr:?} {data:?} {decision:?}");
        }
    }
}
