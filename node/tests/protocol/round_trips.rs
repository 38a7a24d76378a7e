//! A file's life: every revision is what it should be, in all four places.

use serde_json::{Map, json};
use storage_node::catalog::WalQuery;
use storage_node::files::{FileError, Patch, UploadFields};
use storage_node::model::{FileStatus, OperationType, Totals, WalStatus};
use uuid::Uuid;

use crate::ground::Ground;
use crate::node::{Node, caller, describe};

fn describing(description: &str) -> Patch {
    Patch { description: Some(Some(description.to_owned())), ..Patch::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_added_changed_and_deleted() {
    let ground = Ground::new();
    let node = ground.start().await;
    let data = vec![9; 400_000];
    let mut metadata = Map::new();
    metadata.insert("a".to_owned(), json!({"b": 1}));
    let fields = UploadFields { tags: vec!["red".to_owned()], metadata, ..describe("one") };
    let first = node.upload(&data, fields).await.unwrap();
    node.is_whole(&first, &data).await;
    let attr = &first.attr;
    assert_eq!((attr.revision, attr.status, attr.deleted_at), (1, FileStatus::Active, None));
    assert_eq!((attr.file_size, attr.epoch), (400_000, node.term().epoch));
    assert_eq!((attr.created_at, attr.created_by_username.as_str()), (attr.updated_at, "ann"));

    let second = node.files.update(&caller(), attr.file_id, describing("two"), &|_| Ok(())).await.unwrap();
    node.is_whole(&second, &data).await;
    let expected = storage_node::model::Attr {
        description: Some("two".to_owned()),
        revision: 2,
        updated_at: second.attr.updated_at,
        tx: second.attr.tx,
        write_id: second.attr.write_id,
        ..attr.clone()
    };
    assert_eq!(second.attr, expected, "nothing else has changed");
    assert!(second.attr.updated_at > attr.updated_at);
    assert!(second.attr.tx != attr.tx && second.attr.write_id != attr.write_id);

    node.files.delete(&caller(), attr.file_id, &|_| Ok(())).await.unwrap();
    let row = node.catalog.file(attr.file_id).await.unwrap().unwrap();
    assert_eq!((row.attr.status, row.attr.revision), (FileStatus::Deleted, 3));
    assert!(row.attr.deleted_at.is_some() && row.attr.updated_at > second.attr.updated_at);
    assert!(node.storage.data_stat(&attr.storage_path).await.unwrap().is_some(), "bytes stay for the grace period");

    let totals = Totals { deleted_files: 1, deleted_bytes: 400_000, ..Totals::default() };
    assert_eq!(node.catalog.totals().await.unwrap(), totals);
    let log = node.catalog.wal(&WalQuery { limit: 10, ..WalQuery::default() }).await.unwrap();
    let seen: Vec<_> = log.iter().map(|row| (row.operation_type, row.status, row.transaction_id)).collect();
    let by = |operation, tx| (operation, WalStatus::Committed, tx);
    let expected = [
        by(OperationType::FileCreate, attr.tx),
        by(OperationType::FileUpdate, second.attr.tx),
        by(OperationType::FileDelete, row.attr.tx),
    ];
    assert_eq!(seen, expected);
    assert!(log.iter().all(|row| row.duration_ms.is_some() && row.user_id.as_deref() == Some("u-1")));
    node.is_clean().await;
}

#[tokio::test]
async fn deleted_is_final() {
    let ground = Ground::new();
    let node = ground.start().await;
    let id = node.uploaded(b"x").await.attr.file_id;
    node.files.delete(&caller(), id, &|_| Ok(())).await.unwrap();
    is_gone(&node, id).await;
    node.kill().await;
    let node = ground.start().await;
    is_gone(&node, id).await;
    node.rebuild().await.unwrap();
    is_gone(&node, id).await;
}

async fn is_gone(node: &Node, id: Uuid) {
    let update = node.files.update(&caller(), id, describing("again"), &|_| Ok(())).await;
    assert!(matches!(update, Err(FileError::NotFound(_))), "{update:?}");
    assert!(matches!(node.files.delete(&caller(), id, &|_| Ok(())).await, Err(FileError::NotFound(_))));
    let hold = node.files.set_legal_hold(&caller(), id, true, None, &|_| Ok(())).await;
    assert!(matches!(hold, Err(FileError::NotFound(_))));
    assert!(matches!(node.files.metadata(id).await, Err(FileError::NotFound(_))));
}

#[tokio::test]
async fn a_patch_that_changes_nothing_makes_no_revision() {
    let ground = Ground::new();
    let node = ground.start().await;
    let first = node.upload(b"x", describe("same")).await.unwrap();
    let again = node.files.update(&caller(), first.attr.file_id, describing("same"), &|_| Ok(())).await.unwrap();
    assert_eq!(again.attr, first.attr);
    let log = node.catalog.wal(&WalQuery { limit: 10, ..WalQuery::default() }).await.unwrap();
    assert_eq!(log.len(), 1, "{log:?}");
    node.is_whole(&first, b"x").await;
    node.is_clean().await;
}

#[tokio::test]
async fn a_refused_precondition_changes_nothing() {
    let ground = Ground::new();
    let node = ground.start().await;
    let first = node.uploaded(b"x").await;
    let id = first.attr.file_id;
    let refuse = |attr: &storage_node::model::Attr| Err(FileError::PreconditionFailed(attr.file_id));
    let update = node.files.update(&caller(), id, describing("new"), &refuse).await;
    assert!(matches!(update, Err(FileError::PreconditionFailed(_))));
    assert!(matches!(node.files.delete(&caller(), id, &refuse).await, Err(FileError::PreconditionFailed(_))));
    node.is_whole(&first, b"x").await;
    node.is_clean().await;
}

#[tokio::test]
async fn no_file_is_as_good_as_an_empty_one() {
    let ground = Ground::new();
    let node = ground.start().await;
    let empty = node.uploaded(b"").await;
    node.is_whole(&empty, b"").await;
    let no_part = node.begin(None).await.unwrap().finish(UploadFields::default()).await;
    assert!(matches!(no_part, Err(FileError::Invalid { .. })), "{no_part:?}");
    let other = UploadFields { checksum: Some("0".repeat(64)), ..UploadFields::default() };
    assert!(matches!(node.upload(b"x", other).await, Err(FileError::ChecksumMismatch { .. })));
    let right = UploadFields { checksum: Some(empty.attr.checksum.clone()), ..UploadFields::default() };
    node.upload(b"", right).await.unwrap();
    let large = node.upload(&vec![0; (8 << 20) + 1], UploadFields::default()).await;
    assert!(matches!(large, Err(FileError::TooLarge { limit }) if limit == 8 << 20), "{large:?}");
    node.is_clean().await;
    assert_eq!(node.catalog.totals().await.unwrap().active_files, 2);
}
