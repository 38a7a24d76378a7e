//! A master whose term is over changes nothing any more.

use std::sync::Arc;
use std::time::Duration;

use storage_node::catalog::NewTerm;
use storage_node::election::MastershipLost;
use storage_node::element::{Closed, Door};
use storage_node::files::{FileError, Patch, UploadFields};
use storage_node::model::{FileStatus, Nonce, Term, Timestamp, WalStatus};
use storage_node::settling::{KeyLocks, Live, SettleError, Settler};
use storage_node::storage::Storage;

use crate::by_hand::{At, DATA, Interrupted};
use crate::ground::Ground;
use crate::node::{Node, caller, describe};

/// Raises the epoch as a successor does that has come no further yet.
async fn overtaken(node: &Node) -> Term {
    let row = node.catalog.config().await.unwrap().unwrap();
    let term = Term { epoch: row.epoch + 1, nonce: Nonce::fresh() };
    let next = NewTerm {
        term,
        expected_epoch: row.epoch,
        master: "a successor".to_owned(),
        master_address: None,
        needs_rebuild: false,
        mode: row.mode,
        mode_changed_at: Timestamp::now(),
    };
    assert!(node.catalog.begin_term(&next).await.unwrap());
    term
}

fn not_master<T: std::fmt::Debug>(result: &Result<T, FileError>) {
    assert!(matches!(result, Err(FileError::NotMaster(_))), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intents_of_a_term_that_is_over_are_refused_and_the_node_steps_down() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await;
    let id = file.attr.file_id;
    let mut streaming = node.begin(None).await.unwrap();
    let sent = node.sent(&vec![7; 400_000], None).await.unwrap();
    overtaken(&node).await;

    not_master(&sent.finish(UploadFields::default()).await);
    assert!(matches!(node.element.gate().door(), Door::Closed { reason: Closed::NotMaster(_), cut: true }));
    // Running ones are cut, new ones are not let in.
    let cut = tokio::time::timeout(Duration::from_secs(1), streaming.interrupted()).await;
    assert!(matches!(cut, Ok(FileError::NotMaster(_))), "{cut:?}");
    drop(streaming);
    not_master(&node.begin(None).await.map(|_| ()));
    let patch = Patch { tags: Some(vec!["t".to_owned()]), ..Patch::default() };
    not_master(&node.files.update(&caller(), id, patch, &|_| Ok(())).await);
    not_master(&node.files.delete(&caller(), id, &|_| Ok(())).await);
    node.is_whole(&file, b"x").await;
    node.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_a_term_that_is_over_is_refused() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await;
    overtaken(&node).await;
    let patch = Patch { tags: Some(vec!["t".to_owned()]), ..Patch::default() };
    not_master(&node.files.update(&caller(), file.attr.file_id, patch, &|_| Ok(())).await);
    node.is_whole(&file, b"x").await;
    node.is_clean().await;
}

/// The successor has ended the term's staging folder between intent and commit point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_published_from_a_folder_that_a_successor_has_ended() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await;
    let successor = ground.storage();
    let sent = node.sent(&vec![7; 400_000], None).await.unwrap();
    Storage::begin_term(&successor, Term { epoch: 2, nonce: Nonce::fresh() }).await.unwrap();
    not_master(&sent.finish(UploadFields::default()).await);
    let patch = Patch { tags: Some(vec!["t".to_owned()]), ..Patch::default() };
    let update = node.files.update(&caller(), file.attr.file_id, patch, &|_| Ok(())).await;
    not_master(&update);
    assert_eq!(node.catalog.totals().await.unwrap().active_files, 1);
    node.is_whole(&file, b"x").await;
}

/// The mastership is asked for right before the commit point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_mastership_stops_before_the_commit_point() {
    let ground = Ground::new();
    let node = ground.start().await;
    let sent = node.sent(DATA, None).await.unwrap();
    let _ = node.election.lost.set(MastershipLost("the Lease has run out".to_owned()));
    not_master(&sent.finish(describe("never")).await);
    assert!(matches!(node.element.gate().door(), Door::Closed { reason: Closed::NotMaster(_), .. }));
    let row = node.catalog.wal(&storage_node::catalog::WalQuery { limit: 9, ..Default::default() }).await.unwrap();
    assert_eq!(row[0].status, WalStatus::Pending, "its successor settles it");
    node.kill().await;
    let node = ground.start().await;
    assert_eq!(node.status(row[0].transaction_id).await, Some(WalStatus::RolledBack));
    assert_eq!(node.catalog.totals().await.unwrap(), storage_node::model::Totals::default());
    node.is_clean().await;
}

/// A master that froze after its takeover's storage steps, and wakes up when its successor works: the successor's
/// upload has its data in place and is about to put its attr there. Removing data is fenced by nothing, so a stale
/// settler must not touch a later term's rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_settler_leaves_its_successors_rows_alone() {
    let ground = Ground::new();
    let node = ground.start().await;
    let neighbour = node.uploaded(b"neighbour").await;
    let stale_term = node.term();
    node.kill().await;
    let node = ground.start().await;
    let create = Interrupted::create(&neighbour, storage_node::model::FileIds::default().next(), node.term());
    let owned = node.live.own(create.attr.tx);
    create.announce(&node).await;
    create.put(&ground, node.term(), At::Placed, At::Staged);

    let stale = Settler::new(
        Arc::new(ground.storage()),
        Arc::clone(&node.catalog),
        Arc::new(Live::default()),
        Arc::new(KeyLocks::default()),
        crate::node::metrics(),
    );
    assert!(matches!(stale.round(stale_term).await, Err(SettleError::NotNow(_))));
    assert!(node.storage.data_stat(&create.attr.storage_path).await.unwrap().is_some(), "the successor's data is gone");
    assert_eq!(node.status(create.attr.tx).await, Some(WalStatus::Pending));
    drop(owned);
    let staged = ground.at(&format!(".staging/{}/{}.attr", node.term(), create.attr.tx));
    std::fs::rename(staged, ground.at(&create.attr.storage_path.attr_path())).unwrap();
    assert_eq!(node.settle().await.redone, 1);
    node.is_clean().await;
}

/// A rebuild of a term that is over changes no row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_of_a_term_that_is_over_changes_nothing() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await;
    std::fs::remove_file(ground.at(&file.attr.storage_path.attr_path())).unwrap();
    overtaken(&node).await;
    assert!(matches!(node.rebuild().await, Err(storage_node::jobs::JobError::TermOver)));
    assert!(node.catalog.file(file.attr.file_id).await.unwrap().is_some());
    assert!(
        node.catalog.wal(&storage_node::catalog::WalQuery { limit: 9, ..Default::default() }).await.unwrap().len() == 1
    );
}

/// What an older term had staged can not come any more, whoever still holds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staging_of_older_terms_is_out_of_reach() {
    let ground = Ground::new();
    let node = ground.start().await;
    let neighbour = node.uploaded(b"neighbour").await;
    let before = node.storage.attr(&neighbour.attr.storage_path).await.unwrap().unwrap();
    let change = Interrupted::change(&neighbour, FileStatus::Active);
    change.announce(&node).await;
    change.put(&ground, node.term(), At::Nowhere, At::Staged);
    let (old, old_term) = (ground.storage(), node.term());
    node.kill().await;
    let node = ground.start().await;
    let refused = Storage::publish_attr(&old, old_term, change.attr.tx, &before).await.unwrap_err();
    assert!(!refused.committed);
    node.is_whole(&neighbour, b"neighbour").await;
    node.is_clean().await;
}
