//! Uploads, updates and deletes, and what becomes of those that end early.

use std::time::Duration;

use bytes::Bytes;
use storage_node::files::{FileError, UploadFields};

use crate::node::{Ground, caller};
use crate::stores::Fault;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_is_kept_and_changes_and_goes() {
    let ground = Ground::new().await;
    let node = ground.start().await;
    for size in [0, 1000, 9 << 20] {
        let data = vec![7; size];
        let row = node.upload(&data, UploadFields::default()).await.unwrap();
        node.is_whole(&row, &data).await;
        let row = node.describe(row.attr.file_id, "described").await.unwrap();
        node.is_whole(&row, &data).await;
        node.files.delete(&caller(), row.attr.file_id, &|_| Ok(())).await.unwrap();
        assert!(matches!(node.files.metadata(row.attr.file_id).await, Err(FileError::NotFound(_))));
    }
    node.is_clean().await;
    // The next start finds it the same.
    drop(node);
    ground.start().await.is_clean().await;
}

/// The intent comes before the data: who goes away is undone at once, and whoever closes the gate waits for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_given_up_is_undone() {
    let ground = Ground::new().await;
    let node = ground.start().await;
    for size in [0, 1000, 12 << 20] {
        let mut upload = node.begun(None).await.unwrap();
        upload.write(Bytes::from(vec![1; size])).await.unwrap();
        let path = node.announced().await;
        drop(upload);
        node.quiet().await;
        node.is_absent(&path).await;
    }
    // Its end is refused: the same.
    let wrong = UploadFields { checksum: Some("0".repeat(64)), ..UploadFields::default() };
    let refused = node.upload(&[1; 1000], wrong).await;
    assert!(matches!(refused, Err(FileError::ChecksumMismatch { .. })), "{refused:?}");
    node.is_clean().await;
}

/// A client that goes away while its file is being published leaves a whole file or none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_at_the_end_leaves_all_or_nothing() {
    let ground = Ground::new().await;
    let node = ground.start().await;
    for pause in 0..20 {
        let mut upload = node.begun(None).await.unwrap();
        upload.write(Bytes::from(vec![1; 100_000])).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_millis(pause), upload.finish(UploadFields::default())).await;
    }
    node.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_answers_with_the_first_file() {
    let ground = Ground::new().await;
    let node = ground.start().await;
    let upload = node.begun(Some("k")).await.unwrap();
    drop(upload);
    node.quiet().await;
    let mut upload = node.begun(Some("k")).await.unwrap();
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    upload.finish(UploadFields::default()).await.unwrap();
    assert!(node.begun(Some("k")).await.err().unwrap().to_string().contains("replay"));
    node.is_clean().await;
}

/// An answer that is lost is not a failure: it is found out before anyone is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_settled_before_it_is_told() {
    let ground = Ground::new().await;
    let node = ground.start().await;
    ground.proxy.rule("PUT", ".attr.json", Fault::LoseAnswer, 1);
    let row = node.upload(b"abc", UploadFields::default()).await.unwrap();
    node.is_whole(&row, b"abc").await;
    ground.proxy.rule("PUT", ".attr.json", Fault::LoseAnswer, 1);
    let row = node.describe(row.attr.file_id, "x").await.unwrap();
    node.is_whole(&row, b"abc").await;

    // No try is answered, the last one is still to come: a tombstone makes it impossible, then it has failed.
    ground.proxy.rule("PUT", ".attr.json", Fault::Late(Duration::from_secs(8)), 4);
    let failed = node.upload(b"abc", UploadFields::default()).await;
    assert!(matches!(failed, Err(FileError::StorageUnavailable(_))), "{failed:?}");
    ground.proxy.clear();
    ground.proxy.rule("PUT", ".attr.json", Fault::Late(Duration::from_secs(8)), 4);
    let failed = node.describe(row.attr.file_id, "never").await;
    assert!(matches!(failed, Err(FileError::StorageUnavailable(_))), "{failed:?}");
    ground.proxy.clear();
    node.is_clean().await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(node.files.metadata(row.attr.file_id).await.unwrap().attr.description.as_deref(), Some("x"));
    assert_eq!(node.catalog.totals().await.unwrap().active_files, 1);
    node.is_clean().await;
}

/// While the store is away an upload fails or is open; when it is back, nothing half-done is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_away_is_cleaned_up_by_the_settler() {
    let ground = Ground::new().await;
    let node = ground.start().await;
    let mut upload = node.begun(None).await.unwrap();
    upload.write(Bytes::from_static(b"abc")).await.unwrap();
    let path = node.announced().await;
    for method in ["PUT", "GET", "HEAD", "POST", "DELETE"] {
        ground.proxy.rule(method, "/", Fault::Unavailable, usize::MAX);
    }
    assert!(upload.finish(UploadFields::default()).await.is_err());
    node.element.gate().emptied().await;
    assert_eq!(node.announced().await, path);
    ground.proxy.clear();
    node.settler.round(node.term).await.unwrap();
    node.is_absent(&path).await;
    node.is_clean().await;
}
