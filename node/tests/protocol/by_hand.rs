//! Operations that were announced and did not end, made by hand.

use std::path::PathBuf;

use serde_json::Map;
use sha2::{Digest, Sha256};
use storage_node::catalog::IntentVerdict;
use storage_node::model::{
    Attr, FileIntent, FileRow, FileStatus, OperationType, Term, Timestamp, WalRow, WalStatus, storage_filename,
};
use uuid::Uuid;

use crate::ground::Ground;
use crate::node::{Node, caller};

/// Where a half of the file is when the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Nowhere,
    Staged,
    Placed,
    /// In place, one byte short.
    Cut,
}

pub const DATA: &[u8] = b"some bytes";

/// An operation that was announced and did not end.
pub struct Interrupted {
    pub attr: Attr,
    pub intent: WalRow,
}

impl Interrupted {
    /// A create whose attr is `attr`'s first revision.
    pub fn create(like: &FileRow, id: Uuid, term: Term) -> Self {
        let name = storage_filename("new.txt", "ann", id);
        let attr = Attr {
            file_id: id,
            storage_filename: name.storage_filename,
            storage_path: name.storage_path,
            original_filename: "new.txt".to_owned(),
            file_size: DATA.len() as u64,
            checksum: hex::encode(Sha256::digest(DATA)),
            created_at: Attr::time_of_id(id),
            tx: Uuid::new_v4(),
            write_id: Uuid::new_v4(),
            epoch: term.epoch,
            ..like.attr.clone()
        };
        Self::announced(attr, OperationType::FileCreate)
    }

    /// The next revision of a file.
    pub fn change(of: &FileRow, status: FileStatus) -> Self {
        let attr = Attr {
            revision: of.attr.revision + 1,
            description: Some("changed".to_owned()),
            status,
            tx: Uuid::new_v4(),
            write_id: Uuid::new_v4(),
            ..of.attr.clone()
        };
        let deleted = status == FileStatus::Deleted;
        Self::announced(attr, if deleted { OperationType::FileDelete } else { OperationType::FileUpdate })
    }

    fn announced(attr: Attr, operation_type: OperationType) -> Self {
        let intent = FileIntent {
            storage_path: attr.storage_path.clone(),
            revision: attr.revision,
            file_size: Some(attr.file_size),
            expected_etag: None,
            reason: None,
            unknown: Map::new(),
        };
        let intent = WalRow {
            transaction_id: attr.tx,
            operation_type,
            status: WalStatus::Pending,
            file_id: Some(attr.file_id),
            operation_data: serde_json::to_value(intent).unwrap(),
            error_message: None,
            started_at: Timestamp::now(),
            completed_at: None,
            duration_ms: None,
            user_id: Some(caller().id),
            epoch: attr.epoch,
        };
        Self { attr, intent }
    }

    pub async fn announce(&self, node: &Node) {
        let verdict = node.catalog.intent(node.term(), self.intent.clone()).await.unwrap();
        assert_eq!(verdict, IntentVerdict::Accepted);
    }

    pub fn put(&self, ground: &Ground, term: Term, data: At, attr: At) {
        let (tx, path) = (self.attr.tx, &self.attr.storage_path);
        let bytes = self.attr.to_bytes().unwrap();
        let halves: [(At, String, String, &[u8]); 2] = [
            (data, format!("{tx}.data"), path.to_string(), DATA),
            (attr, format!("{tx}.attr"), path.attr_path(), &bytes),
        ];
        for (at, staged, placed, bytes) in halves {
            match at {
                At::Nowhere => {}
                At::Staged => ground.put(&format!(".staging/{term}/{staged}"), bytes),
                At::Placed => ground.put(&placed, bytes),
                At::Cut => ground.put(&placed, &bytes[1..]),
            }
        }
    }

    /// Where data and attr are when the operation has happened.
    pub fn places(&self, ground: &Ground) -> [PathBuf; 2] {
        [ground.at(self.attr.storage_path.as_str()), ground.at(&self.attr.storage_path.attr_path())]
    }
}
