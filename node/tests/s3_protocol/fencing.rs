//! A successor has begun while the old master slept.

use bytes::Bytes;
use storage_node::files::{FileError, UploadFields};

use crate::node::Ground;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_an_ended_term_is_undone_and_stays_so() {
    let ground = Ground::new().await;
    let old = ground.start().await;
    let (mut small, mut large) = (old.begun(None).await.unwrap(), old.begun(None).await.unwrap());
    small.write(Bytes::from_static(b"abc")).await.unwrap();
    large.write(Bytes::from(vec![1; 12 << 20])).await.unwrap();

    let new = ground.start().await;
    for upload in [small, large] {
        let refused = upload.finish(UploadFields::default()).await;
        assert!(
            matches!(refused, Err(FileError::NotMaster(_) | FileError::StorageUnavailable(_))),
            "{:?}",
            refused.err()
        );
    }
    drop(old);
    assert_eq!(new.catalog.totals().await.unwrap().active_files, 0);
    let row = new.upload(b"abc", UploadFields::default()).await.unwrap();
    new.is_whole(&row, b"abc").await;
}

/// The update of an ended term: announced, its put still to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_an_ended_term_never_comes() {
    use storage_node::model::{AttrFile, FileIntent, OperationType, Timestamp, WalRow, WalStatus};
    let ground = Ground::new().await;
    let old = ground.start().await;
    let row = old.upload(b"abc", UploadFields::default()).await.unwrap();
    let path = &row.attr.storage_path;
    let before = old.storage.attr(path).await.unwrap().unwrap();
    let mut next = row.attr.clone();
    (next.tx, next.revision, next.description) = (uuid::Uuid::new_v4(), 2, Some("late".to_owned()));
    let intent = FileIntent {
        storage_path: path.clone(),
        revision: 2,
        file_size: Some(3),
        expected_etag: before.etag.clone(),
        reason: None,
        unknown: serde_json::Map::new(),
    };
    let intent = WalRow {
        transaction_id: next.tx,
        operation_type: OperationType::FileUpdate,
        status: WalStatus::Pending,
        file_id: Some(next.file_id),
        operation_data: serde_json::to_value(intent).unwrap(),
        error_message: None,
        started_at: Timestamp::now(),
        completed_at: None,
        duration_ms: None,
        user_id: None,
        epoch: old.term.epoch,
    };
    old.storage.stage_attr(old.term, next.tx, next.to_bytes().unwrap().into()).await.unwrap();
    old.catalog.intent(old.term, intent).await.unwrap();

    let new = ground.start().await;
    let refused = old.storage.publish_attr(old.term, next.tx, &before).await.unwrap_err();
    assert!(!refused.committed, "{refused:?}");
    let standing = new.storage.attr(path).await.unwrap().unwrap();
    let standing = AttrFile::parse(&standing.bytes).unwrap().into_attr().unwrap();
    assert_eq!((standing.description, standing.revision, standing.tx), (None, 1, row.attr.tx));
    assert_ne!(standing.write_id, row.attr.write_id);
    // The cache knows the rewrite.
    new.is_clean().await;
}
