//! What settling cannot tell: nothing is deleted, the file is hidden and takes no writes until somebody has looked.

use std::fs;

use storage_node::files::{FileError, Patch};
use storage_node::model::{FileQuery, FileStatus, Filter, Order, PageRequest, Sort, WalStatus};

use crate::by_hand::{At, DATA, Interrupted};
use crate::ground::Ground;
use crate::node::{Node, caller};

async fn listed(node: &Node) -> usize {
    let query = FileQuery {
        filter: Filter::default(),
        text: None,
        sort: Sort::CreatedAt,
        order: Order::Desc,
        page: PageRequest::First,
        limit: 100,
    };
    node.files.list(&query).await.unwrap().rows.len()
}

/// An update whose attr is in place and whose file has lost its data.
async fn undecided(ground: &Ground, node: &Node) -> Interrupted {
    let before = node.uploaded(DATA).await;
    let change = Interrupted::change(&before, FileStatus::Active);
    change.announce(node).await;
    change.put(ground, node.term(), At::Nowhere, At::Placed);
    fs::remove_file(ground.at(change.attr.storage_path.as_str())).unwrap();
    assert_eq!(node.settle().await.cannot_tell, 1);
    change
}

async fn is_blocked(node: &Node, change: &Interrupted) {
    let id = change.attr.file_id;
    assert_eq!(node.status(change.attr.tx).await, Some(WalStatus::Failed));
    assert!(matches!(node.files.metadata(id).await, Err(FileError::NotFound(_))));
    assert_eq!(listed(node).await, 0);
    let blocked = |error: FileError| matches!(error, FileError::CacheInconsistent { file_id, tx } if file_id == id && tx == change.attr.tx);
    let patch = Patch { tags: Some(vec!["t".to_owned()]), ..Patch::default() };
    assert!(blocked(node.files.update(&caller(), id, patch, &|_| Ok(())).await.unwrap_err()));
    assert!(blocked(node.files.delete(&caller(), id, &|_| Ok(())).await.unwrap_err()));
    assert!(blocked(node.files.set_legal_hold(&caller(), id, true, None, &|_| Ok(())).await.unwrap_err()));
    assert_eq!(node.catalog.wal_pending().await.unwrap().failed, 1);
    let on_disk = node.storage.attr(&change.attr.storage_path).await.unwrap().unwrap();
    assert_eq!(on_disk.bytes, change.attr.to_bytes().unwrap(), "the attr stays as it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_lost_its_data_is_hidden_until_it_is_back() {
    let ground = Ground::new();
    let node = ground.start().await;
    let change = undecided(&ground, &node).await;
    is_blocked(&node, &change).await;
    // It is looked at again and again, and neither a rebuild nor a restart forgets it.
    assert_eq!(node.settle().await.cannot_tell, 1);
    let row = node.settler.retry(node.term(), change.attr.tx).await.unwrap();
    assert_eq!(row.status, WalStatus::Failed);
    node.rebuild().await.unwrap();
    is_blocked(&node, &change).await;
    node.kill().await;
    let node = ground.start().await;
    is_blocked(&node, &change).await;

    ground.put(change.attr.storage_path.as_str(), DATA);
    let row = node.settler.retry(node.term(), change.attr.tx).await.unwrap();
    assert_eq!((row.status, row.error_message), (WalStatus::Committed, None));
    let row = node.files.metadata(change.attr.file_id).await.unwrap();
    assert_eq!(row.attr, change.attr);
    node.is_whole(&row, DATA).await;
    assert_eq!(listed(&node).await, 1);
    node.files.delete(&caller(), change.attr.file_id, &|_| Ok(())).await.unwrap();
    node.is_clean().await;
}

/// A copy of the description that nobody can read is not taken for "not there".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_attr_is_not_taken_for_an_absent_one() {
    let ground = Ground::new();
    let node = ground.start().await;
    let neighbour = node.uploaded(b"neighbour").await;
    let create = Interrupted::create(&neighbour, storage_node::model::FileIds::default().next(), node.term());
    create.announce(&node).await;
    create.put(&ground, node.term(), At::Placed, At::Nowhere);
    ground.put(&create.attr.storage_path.attr_path(), b"{\"half\":");
    assert_eq!(node.settle().await.cannot_tell, 1);
    assert_eq!(fs::read(ground.at(create.attr.storage_path.as_str())).unwrap(), DATA);
    assert!(node.files.metadata(create.attr.file_id).await.is_err());

    // Removed by a person: now it did not happen.
    fs::remove_file(ground.at(&create.attr.storage_path.attr_path())).unwrap();
    assert_eq!(node.settle().await.undone, 1);
    node.is_absent(create.attr.file_id, &create.attr.storage_path).await;
    node.is_clean().await;
}

/// What older terms had staged is kept while a row could need it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trash_is_kept_while_something_is_undecided() {
    let ground = Ground::new();
    let node = ground.start().await;
    let change = undecided(&ground, &node).await;
    let create =
        Interrupted::create(&node.uploaded(b"n").await, storage_node::model::FileIds::default().next(), node.term());
    create.put(&ground, node.term(), At::Staged, At::Staged);
    node.kill().await;
    let node = ground.start().await;
    assert_eq!(ground.staged().len(), 2, "kept aside");
    ground.put(change.attr.storage_path.as_str(), DATA);
    node.settle().await;
    assert_eq!(ground.staged(), Vec::<String>::new());
    node.is_clean().await;
}
