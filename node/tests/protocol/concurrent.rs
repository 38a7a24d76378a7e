//! Many at once, and clients that go away.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::{join_all, poll_immediate};
use storage_node::files::{FileError, Patch, UploadFields};

use crate::ground::Ground;
use crate::node::{caller, describe, until};

fn tagged(tag: &str) -> Patch {
    Patch { tags: Some(vec![tag.to_owned()]), ..Patch::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_share_transactions_and_all_come_whole() {
    let ground = Ground::new();
    let node = ground.start().await;
    let before = node.catalog.counters().transactions;
    let data: Vec<Vec<u8>> = (0..64).map(|n| vec![u8::try_from(n).unwrap(); n * 5_000]).collect();
    let rows = join_all(data.iter().map(|data| node.uploaded(data))).await;
    for (row, data) in rows.iter().zip(&data) {
        node.is_whole(row, data).await;
    }
    assert_eq!(rows.iter().map(|row| row.attr.file_id).collect::<HashSet<_>>().len(), 64);
    let transactions = node.catalog.counters().transactions - before;
    assert!(transactions < 128, "{transactions} for 64 intents and 64 commits: nothing was shared");
    node.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_updates_of_one_file_are_both_applied() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await.attr;
    let describing = Patch { description: Some(Some("d".to_owned())), ..Patch::default() };
    let caller = caller();
    let (one, two) = tokio::join!(
        node.files.update(&caller, file.file_id, tagged("t"), &|_| Ok(())),
        node.files.update(&caller, file.file_id, describing, &|_| Ok(())),
    );
    let mut rows = [one.unwrap(), two.unwrap()];
    rows.sort_by_key(|row| row.attr.revision);
    assert_eq!(rows.each_ref().map(|row| row.attr.revision), [2, 3]);
    assert_eq!((rows[1].attr.tags.as_slice(), rows[1].attr.description.as_deref()), (&["t".to_owned()][..], Some("d")));
    node.is_whole(&rows[1], b"x").await;
    node.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_and_a_delete_at_once_end_in_some_order() {
    let ground = Ground::new();
    let node = ground.start().await;
    let caller = caller();
    for _ in 0..20 {
        let file = node.uploaded(b"x").await.attr;
        let (update, delete) = tokio::join!(
            node.files.update(&caller, file.file_id, tagged("t"), &|_| Ok(())),
            node.files.delete(&caller, file.file_id, &|_| Ok(())),
        );
        delete.unwrap();
        assert!(matches!(update, Ok(_) | Err(FileError::NotFound(_))), "{update:?}");
        assert!(matches!(node.files.metadata(file.file_id).await, Err(FileError::NotFound(_))));
    }
    node.is_clean().await;
}

/// A client that goes away anywhere in an upload: the file is there whole, or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_client_left_ends_whole_or_absent() {
    let ground = Ground::new();
    let node = ground.start().await;
    let data = vec![3; 300_000];
    for pause_micros in (0..60).map(|step| step * 100) {
        let upload = node.sent(&data, None).await.unwrap();
        let finish = upload.finish(describe("gone"));
        let _ = tokio::time::timeout(Duration::from_micros(pause_micros), finish).await;
    }
    let upload = node.sent(&data, None).await.unwrap();
    assert!(
        poll_immediate(upload.finish(UploadFields::default())).await.is_none(),
        "dropped right after its first poll"
    );
    node.files.drained().await;
    until("nothing is staged", async || ground.staged().is_empty()).await;
    node.is_clean().await;
    let totals = node.catalog.totals().await.unwrap();
    assert_eq!(totals.active_bytes, totals.active_files * 300_000);
}

/// The same for an update, whose attr is staged by the request's own task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_whose_client_left_ends_whole_or_not_at_all() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await.attr;
    let caller = caller();
    for step in 0..60 {
        let tag = format!("t{step}");
        let update = node.files.update(&caller, file.file_id, tagged(&tag), &|_| Ok(()));
        let _ = tokio::time::timeout(Duration::from_micros(step * 50), update).await;
    }
    node.files.drained().await;
    until("nothing is staged", async || ground.staged().is_empty()).await;
    let row = node.files.metadata(file.file_id).await.unwrap();
    assert!(row.attr.revision > 1, "some got through");
    node.is_whole(&row, b"x").await;
    node.is_clean().await;
}
