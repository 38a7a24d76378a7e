//! A catalog that fails for a while, or whose answers are lost.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use storage_node::catalog::WalQuery;
use storage_node::files::{FileError, Patch};
use storage_node::model::{FileQuery, Filter, Order, PageRequest, Sort, WalStatus};

use crate::ground::Ground;
use crate::node::{caller, describe, until};

/// An answer that was lost is asked for again, and the work is done once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_and_lost_answers_are_retried_without_doing_anything_twice() {
    let ground = Ground::new();
    let node = ground.start().await;
    let faults = &node.faults;
    for times in [&faults.intents, &faults.intent_answers, &faults.commits, &faults.commit_answers] {
        times.set(2);
        let row = node.uploaded(b"retried").await;
        node.is_whole(&row, b"retried").await;
        times.set(2);
        let patch = Patch { tags: Some(vec!["t".to_owned()]), ..Patch::default() };
        let row = node.files.update(&caller(), row.attr.file_id, patch, &|_| Ok(())).await.unwrap();
        assert_eq!(row.attr.revision, 2);
        node.is_whole(&row, b"retried").await;
    }
    let log = node.catalog.wal(&WalQuery { limit: 100, ..WalQuery::default() }).await.unwrap();
    assert_eq!(log.len(), 8);
    assert!(log.iter().all(|row| row.status == WalStatus::Committed));
    assert_eq!(node.catalog.totals().await.unwrap().active_files, 4);
    node.is_clean().await;
}

/// Intents are given up after two seconds; the row that may be there all the same is settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_whose_answer_never_comes_ends_as_nothing() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await;
    node.faults.intent_answers.set(u32::MAX);
    let began = Instant::now();
    let patch = Patch { tags: Some(vec!["t".to_owned()]), ..Patch::default() };
    let caller = caller();
    let (upload, update) = tokio::join!(
        node.upload(b"y", describe("never")),
        node.files.update(&caller, file.attr.file_id, patch, &|_| Ok(())),
    );
    assert!(matches!(upload, Err(FileError::DatabaseUnavailable(_))), "{upload:?}");
    assert!(matches!(update, Err(FileError::DatabaseUnavailable(_))), "{update:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(node.catalog.wal_pending().await.unwrap().pending, 2);
    assert_eq!(ground.staged(), Vec::<String>::new());
    assert_eq!(node.settle().await.undone, 2);
    node.faults.intent_answers.set(0);
    node.is_whole(&file, b"x").await;
    node.is_clean().await;
    assert_eq!(node.catalog.totals().await.unwrap().active_files, 1);
}

/// After the commit point an operation cannot fail any more: five seconds later the answer is that nobody knows, and
/// the work goes on until the catalog is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_finds_no_catalog_is_unknown_after_five_seconds_and_done_later() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await;
    node.faults.commits.set(u32::MAX);
    let began = Instant::now();
    let patch = Patch { tags: Some(vec!["t".to_owned()]), ..Patch::default() };
    let caller = caller();
    let (upload, update) = tokio::join!(
        node.upload(b"y", describe("later")),
        node.files.update(&caller, file.attr.file_id, patch, &|_| Ok(())),
    );
    let elapsed = began.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(6)).contains(&elapsed), "{elapsed:?}");
    let txs = [upload, update].map(|result| match result {
        Err(FileError::OutcomeUnknown { tx, .. }) => tx,
        other => panic!("{other:?}"),
    });
    // The owners live: settling leaves the rows to them.
    assert_eq!(node.settle().await, storage_node::settling::Round::default());
    for tx in txs {
        assert_eq!(node.status(tx).await, Some(WalStatus::Pending));
    }
    node.faults.commits.set(0);
    until("both are committed", async || {
        node.status(txs[0]).await == Some(WalStatus::Committed)
            && node.status(txs[1]).await == Some(WalStatus::Committed)
    })
    .await;
    node.files.drained().await;
    assert_eq!(node.files.metadata(file.attr.file_id).await.unwrap().attr.revision, 2);
    assert_eq!(node.catalog.totals().await.unwrap().active_files, 2);
    node.is_clean().await;
}

/// While nothing answers: reads by id go on from the attr files, all else says so, and all comes back by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_id_reads_go_on_without_a_catalog() {
    let ground = Ground::new();
    let node = ground.start().await;
    let kept = node.uploaded(b"kept").await;
    let gone = node.uploaded(b"gone").await.attr.file_id;
    node.files.delete(&caller(), gone, &|_| Ok(())).await.unwrap();
    node.faults.down.store(true, Ordering::SeqCst);
    assert_eq!(node.files.metadata(kept.attr.file_id).await.unwrap().attr, kept.attr);
    assert!(node.files.for_download(kept.attr.file_id).await.is_ok());
    assert!(matches!(node.files.metadata(gone).await, Err(FileError::NotFound(_))));
    let query = FileQuery {
        filter: Filter::default(),
        text: None,
        sort: Sort::CreatedAt,
        order: Order::Desc,
        page: PageRequest::First,
        limit: 10,
    };
    assert!(matches!(node.files.list(&query).await, Err(FileError::DatabaseUnavailable(_))));
    let delete = node.files.delete(&caller(), kept.attr.file_id, &|_| Ok(())).await;
    assert!(matches!(delete, Err(FileError::DatabaseUnavailable(_))), "{delete:?}");
    let upload = node.upload(b"y", describe("no")).await;
    assert!(matches!(upload, Err(FileError::DatabaseUnavailable(_))), "{upload:?}");
    assert_eq!(ground.staged(), Vec::<String>::new());

    let stop = tokio_util::sync::CancellationToken::new();
    let watching = tokio::spawn(node.files.clone().watch_catalog(stop.clone()));
    node.faults.down.store(false, Ordering::SeqCst);
    until("lists are answered", async || node.files.list(&query).await.is_ok_and(|page| page.rows.len() == 1)).await;
    node.uploaded(b"again").await;
    node.is_clean().await;
    stop.cancel();
    watching.await.unwrap();
}
