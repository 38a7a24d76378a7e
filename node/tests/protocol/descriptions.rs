//! What stands in attr files: how long it may be, what is kept, what is left alone.

use serde_json::{Value, json};
use storage_node::files::{FileError, Patch};
use storage_node::model::{ATTR_LIMIT_BYTES, AttrFile, FileRow, FileStatus};

use crate::ground::Ground;
use crate::node::{Node, caller, describe};

async fn attr_json(node: &Node, row: &FileRow) -> Value {
    serde_json::from_slice(&node.storage.attr(&row.attr.storage_path).await.unwrap().unwrap().bytes).unwrap()
}

/// A description of so many letters that the attr takes exactly `bytes`.
async fn filling(node: &Node, bytes: usize) -> String {
    let empty = node.upload(b"x", describe("")).await.unwrap();
    "d".repeat(bytes - empty.attr.to_bytes().unwrap().len())
}

#[tokio::test]
async fn an_attr_of_4096_bytes_fits_and_one_of_4097_is_refused_before_anything_is_published() {
    let ground = Ground::new();
    let node = ground.start().await;
    let full = filling(&node, ATTR_LIMIT_BYTES).await;
    let fits = node.upload(b"x", describe(&full)).await.unwrap();
    assert_eq!(node.storage.attr(&fits.attr.storage_path).await.unwrap().unwrap().bytes.len(), 4096);
    node.is_whole(&fits, b"x").await;

    let before = node.catalog.totals().await.unwrap();
    for (more, says) in [("d", "1 more than"), ("dddé", "5 more than")] {
        let refused = node.upload(b"x", describe(&format!("{full}{more}"))).await.unwrap_err();
        let told = matches!(&refused, FileError::Invalid { message, .. } if message.contains(says));
        assert!(told, "{refused:?}");
        let patch = Patch { description: Some(Some(format!("{full}{more}"))), ..Patch::default() };
        let refused = node.files.update(&caller(), fits.attr.file_id, patch, &|_| Ok(())).await.unwrap_err();
        let told = matches!(&refused, FileError::Invalid { message, .. } if message.contains(says));
        assert!(told, "{refused:?}");
    }
    assert_eq!(node.catalog.totals().await.unwrap(), before);
    node.is_whole(&fits, b"x").await;
    node.is_clean().await;
}

#[tokio::test]
async fn a_file_whose_description_is_full_can_be_held_kept_and_deleted() {
    let ground = Ground::new();
    let node = ground.start().await;
    let full = filling(&node, ATTR_LIMIT_BYTES).await;
    let id = node.upload(b"x", describe(&full)).await.unwrap().attr.file_id;
    for hold in [true, false] {
        let held = node.files.set_legal_hold(&caller(), id, hold, None, &|_| Ok(())).await.unwrap();
        node.is_whole(&held, b"x").await;
    }
    node.files.delete(&caller(), id, &|_| Ok(())).await.unwrap();
    let row = node.catalog.file(id).await.unwrap().unwrap();
    assert_eq!((row.attr.status, row.attr.description.as_deref()), (FileStatus::Deleted, Some(full.as_str())));
    assert!(node.storage.attr(&row.attr.storage_path).await.unwrap().unwrap().bytes.len() <= ATTR_LIMIT_BYTES);
    node.is_clean().await;
}

#[tokio::test]
async fn what_a_newer_program_added_survives_a_rewrite() {
    let ground = Ground::new();
    let node = ground.start().await;
    let row = node.uploaded(b"x").await;
    let mut on_disk = attr_json(&node, &row).await;
    on_disk["retention_class"] = json!({"name": "seven years", "n": [1, 2]});
    ground.put(&row.attr.storage_path.attr_path(), &serde_json::to_vec(&on_disk).unwrap());
    let patch = Patch { tags: Some(vec!["new".to_owned()]), ..Patch::default() };
    let updated = node.files.update(&caller(), row.attr.file_id, patch, &|_| Ok(())).await.unwrap();
    assert_eq!(attr_json(&node, &updated).await["retention_class"], json!({"name": "seven years", "n": [1, 2]}));
    node.files.delete(&caller(), row.attr.file_id, &|_| Ok(())).await.unwrap();
    assert_eq!(attr_json(&node, &updated).await["retention_class"]["name"], "seven years");
    assert_eq!(attr_json(&node, &updated).await["status"], "deleted");
}

#[tokio::test]
async fn an_attr_of_a_newer_schema_is_read_and_not_rewritten() {
    let ground = Ground::new();
    let node = ground.start().await;
    let row = node.uploaded(b"x").await;
    let mut on_disk = attr_json(&node, &row).await;
    on_disk["schema_version"] = json!(2);
    on_disk["write_id"] = json!(uuid::Uuid::new_v4());
    let bytes = serde_json::to_vec(&on_disk).unwrap();
    ground.put(&row.attr.storage_path.attr_path(), &bytes);
    let id = row.attr.file_id;
    let patch = Patch { tags: Some(vec!["new".to_owned()]), ..Patch::default() };
    let refused = node.files.update(&caller(), id, patch, &|_| Ok(())).await;
    assert!(matches!(refused, Err(FileError::AttrNewer(_))), "{refused:?}");
    assert!(matches!(node.files.delete(&caller(), id, &|_| Ok(())).await, Err(FileError::AttrNewer(_))));
    let hold = node.files.set_legal_hold(&caller(), id, true, None, &|_| Ok(())).await;
    assert!(matches!(hold, Err(FileError::AttrNewer(_))));
    assert_eq!(node.storage.attr(&row.attr.storage_path).await.unwrap().unwrap().bytes, bytes);
    node.rebuild().await.unwrap();
    assert_eq!(node.files.metadata(id).await.unwrap().attr.schema_version, 2);
    node.is_clean().await;
}

#[tokio::test]
async fn a_damaged_attr_is_said_and_not_rewritten() {
    let ground = Ground::new();
    let node = ground.start().await;
    let row = node.uploaded(b"x").await;
    ground.put(&row.attr.storage_path.attr_path(), b"{\"half\":");
    let patch = Patch { tags: Some(vec!["new".to_owned()]), ..Patch::default() };
    let refused = node.files.update(&caller(), row.attr.file_id, patch, &|_| Ok(())).await;
    assert!(matches!(refused, Err(FileError::AttrInvalid { .. })), "{refused:?}");
    assert_eq!(node.files.metadata(row.attr.file_id).await.unwrap().attr, row.attr, "the cache still tells");
    assert!(AttrFile::parse(&std::fs::read(ground.at(&row.attr.storage_path.attr_path())).unwrap()).is_err());
}
