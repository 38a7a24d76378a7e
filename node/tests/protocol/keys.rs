//! `Idempotency-Key`: one key of one sender is one file.

use std::sync::atomic::Ordering;
use std::time::Duration;

use storage_node::files::{FileError, FileResult, UploadFields, UploadStart};
use storage_node::model::{FileIds, FileRow};
use storage_node::security::Caller;

use crate::by_hand::{At, Interrupted};
use crate::ground::Ground;
use crate::node::{Node, caller};

/// Uploads with a key, as a client does that takes a replay for an answer.
async fn with_key(node: &Node, caller: &Caller, key: &str, data: &[u8]) -> FileResult<(FileRow, bool)> {
    match node.files.start_upload(caller, None, Some(key)).await? {
        UploadStart::Replay(row) => Ok((*row, true)),
        UploadStart::Begin(mut upload) => {
            upload.begin_file("k.txt", None).await?;
            upload.write(data.to_vec().into()).await?;
            Ok((upload.finish(UploadFields::default()).await?, false))
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_gets_the_first_file() {
    let ground = Ground::new();
    let node = ground.start().await;
    let (first, replay) = with_key(&node, &caller(), "k1", b"one").await.unwrap();
    assert!(!replay);
    let (again, replay) = with_key(&node, &caller(), "k1", b"other").await.unwrap();
    assert!(replay && again.attr == first.attr);
    let other = Caller { id: "u-2".to_owned(), ..caller() };
    let (others, replay) = with_key(&node, &other, "k1", b"theirs").await.unwrap();
    assert!(!replay && others.attr.file_id != first.attr.file_id);

    // The key is in the attr: it outlives the catalog.
    node.kill().await;
    std::fs::remove_dir_all(ground.database().parent().unwrap()).unwrap();
    let node = ground.start().await;
    node.rebuild().await.unwrap();
    let (again, replay) = with_key(&node, &caller(), "k1", b"other").await.unwrap();
    assert!(replay && again.attr == first.attr);
    node.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_make_one_file() {
    let ground = Ground::new();
    let node = ground.start().await;
    let caller = caller();
    let uploads = (0..16).map(|n| with_key(&node, &caller, "same", if n % 2 == 0 { b"even" } else { b"odd!" }));
    let rows: Vec<_> = futures_util::future::join_all(uploads).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(rows.iter().filter(|(_, replay)| !replay).count(), 1);
    assert!(rows.iter().all(|(row, _)| row.attr == rows[0].0.attr));
    assert_eq!(node.catalog.totals().await.unwrap().active_files, 1);
    node.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_first_upload_failed_is_free_again() {
    let ground = Ground::new();
    let node = ground.start().await;
    drop(node.sent(b"half", Some("k")).await.unwrap());
    let wrong = UploadFields { checksum: Some("0".repeat(64)), ..UploadFields::default() };
    assert!(node.sent(b"whole", Some("k")).await.unwrap().finish(wrong).await.is_err());
    assert!(!with_key(&node, &caller(), "k", b"whole").await.unwrap().1);
    node.is_clean().await;
}

/// The first upload is in place and the catalog does not say so yet: who repeats it is told at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_whose_first_upload_is_open_is_told_so_and_later_finds_the_file() {
    let ground = Ground::new();
    let node = ground.start().await;
    node.faults.commits.set(u32::MAX);
    let first = with_key(&node, &caller(), "k", b"one").await.unwrap_err();
    let FileError::OutcomeUnknown { tx, .. } = first else { panic!("{first:?}") };
    let repeated = tokio::time::timeout(Duration::from_secs(1), with_key(&node, &caller(), "k", b"one")).await;
    let repeated = repeated.expect("it waits for the catalog").unwrap_err();
    assert!(matches!(repeated, FileError::OutcomeUnknown { tx: same, .. } if same == tx), "{repeated:?}");
    node.faults.down.store(true, Ordering::SeqCst);
    let down = tokio::time::timeout(Duration::from_secs(1), with_key(&node, &caller(), "k", b"one")).await;
    assert!(matches!(down, Ok(Err(FileError::DatabaseUnavailable(_)))), "{down:?}");

    node.faults.down.store(false, Ordering::SeqCst);
    node.faults.commits.set(0);
    crate::node::until(
        "the first upload is committed",
        async || matches!(with_key(&node, &caller(), "k", b"one").await, Ok((row, true)) if row.attr.tx == tx),
    )
    .await;
    assert_eq!(node.catalog.totals().await.unwrap().active_files, 1);
    node.is_clean().await;
}

/// Settling closes the first upload's transaction between the two looks for its key: one of them finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_settled_meanwhile_is_not_taken_for_a_new_one() {
    let ground = Ground::new();
    let node = ground.start().await;
    let neighbour = node.uploaded(b"neighbour").await;
    let mut create = Interrupted::create(&neighbour, FileIds::default().next(), node.term());
    create.attr.idempotency_key = Some("k".to_owned());
    create.intent.operation_data["created_by_id"] = "u-1".into();
    create.intent.operation_data["idempotency_key"] = "k".into();
    create.announce(&node).await;
    create.put(&ground, node.term(), At::Placed, At::Placed);
    let (settler, term) = (node.settler.clone(), node.term());
    *node.faults.after_key_look.lock() = Some(Box::pin(async move {
        assert_eq!(settler.round(term).await.unwrap().redone, 1);
    }));
    let first = with_key(&node, &caller(), "k", b"second file").await;
    assert!(matches!(first, Err(FileError::OutcomeUnknown { .. }) | Ok((_, true))), "a second file: {first:?}");
    let (row, replay) = with_key(&node, &caller(), "k", b"second file").await.unwrap();
    assert!(replay && row.attr == create.attr);
    node.is_clean().await;
}
