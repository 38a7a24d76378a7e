//! Operations that were interrupted anywhere, each state made by hand, and what settling makes of it.

use std::fs;

use serde_json::{Value, json};
use storage_node::model::{Attr, FileIds, FileStatus, WalStatus};
use uuid::Uuid;

use crate::by_hand::{At, DATA, Interrupted};
use crate::ground::Ground;
use crate::node::Node;

/// What is expected of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Redone,
    Undone,
    CannotTell,
}

fn expected(data: At, attr: At) -> Expected {
    match (data, attr) {
        (At::Placed | At::Staged, At::Placed) => Expected::Redone,
        (At::Nowhere | At::Cut, At::Placed) => Expected::CannotTell,
        _ => Expected::Undone,
    }
}

/// Every state of a create, settled by the process whose operation has ended, and by its successor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_ends_whole_absent_or_undecided() {
    for by_successor in [false, true] {
        for data in [At::Nowhere, At::Staged, At::Placed, At::Cut] {
            for attr in [At::Nowhere, At::Staged, At::Placed] {
                let ground = Ground::new();
                let mut node = ground.start().await;
                let neighbour = node.uploaded(b"neighbour").await;
                let id = FileIds::default().next();
                let create = Interrupted::create(&neighbour, id, node.term());
                create.announce(&node).await;
                create.put(&ground, node.term(), data, attr);
                if by_successor {
                    node.kill().await;
                    node = ground.start().await;
                } else {
                    node.settle().await;
                }
                let case = format!("data {data:?}, attr {attr:?}, by a successor: {by_successor}");
                create_ended(&ground, &node, &create, expected(data, attr), &case).await;
                node.is_whole(&neighbour, b"neighbour").await;
            }
        }
    }
}

async fn create_ended(ground: &Ground, node: &Node, create: &Interrupted, expected: Expected, case: &str) {
    let (id, tx) = (create.attr.file_id, create.attr.tx);
    match expected {
        Expected::Redone => {
            assert_eq!(node.status(tx).await, Some(WalStatus::Committed), "{case}");
            let row = node.catalog.file(id).await.unwrap().unwrap();
            assert_eq!(row.attr, create.attr, "{case}");
            node.is_whole(&row, DATA).await;
            node.is_clean().await;
        }
        Expected::Undone => {
            assert_eq!(node.status(tx).await, Some(WalStatus::RolledBack), "{case}");
            node.is_absent(id, &create.attr.storage_path).await;
            assert_eq!(ground.staged(), Vec::<String>::new(), "{case}");
            node.is_clean().await;
        }
        Expected::CannotTell => {
            let row = node.catalog.wal_row(tx).await.unwrap().unwrap();
            assert_eq!(row.status, WalStatus::Failed, "{case}");
            assert!(row.error_message.is_some(), "{case}");
            assert!(create.places(ground)[1].exists(), "{case}: nothing is deleted");
            assert!(node.files.metadata(id).await.is_err(), "{case}: it is not shown");
        }
    }
}

/// Every state of an update and of a delete. The data is the file's own and stands untouched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_ends_as_the_new_or_the_old_revision() {
    for by_successor in [false, true] {
        for status in [FileStatus::Active, FileStatus::Deleted] {
            for attr in [At::Nowhere, At::Staged, At::Placed] {
                let ground = Ground::new();
                let mut node = ground.start().await;
                let before = node.uploaded(DATA).await;
                let change = Interrupted::change(&before, status);
                change.announce(&node).await;
                change.put(&ground, node.term(), At::Nowhere, attr);
                if by_successor {
                    node.kill().await;
                    node = ground.start().await;
                } else {
                    node.settle().await;
                }
                let placed = attr == At::Placed;
                let ended = if placed { WalStatus::Committed } else { WalStatus::RolledBack };
                assert_eq!(node.status(change.attr.tx).await, Some(ended), "{status:?} {attr:?} {by_successor}");
                let row = node.catalog.file(before.attr.file_id).await.unwrap().unwrap();
                assert_eq!(row.attr, if placed { change.attr } else { before.attr }, "{status:?} {attr:?}");
                assert_eq!(fs::read(ground.at(row.attr.storage_path.as_str())).unwrap(), DATA);
                assert_eq!(ground.staged(), Vec::<String>::new());
                node.is_clean().await;
            }
        }
    }
}

/// The catalog is an older one: it still says PENDING of a create that was committed, and its file has changed since.
/// Its data is an acknowledged file's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_a_later_attr_names_is_never_removed() {
    for deleted in [false, true] {
        let ground = Ground::new();
        let node = ground.start().await;
        let neighbour = node.uploaded(b"neighbour").await;
        let create = Interrupted::create(&neighbour, FileIds::default().next(), node.term());
        create.announce(&node).await;
        let later = Attr { revision: 7, tx: Uuid::new_v4(), description: None, ..create.attr.clone() };
        let later = if deleted { Attr { status: FileStatus::Deleted, ..later } } else { later };
        let in_place = Interrupted { attr: later.clone(), intent: create.intent.clone() };
        in_place.put(&ground, node.term(), At::Placed, At::Placed);
        node.settle().await;
        assert_eq!(fs::read(&create.places(&ground)[0]).unwrap(), DATA, "the data of a file that is there is gone");
        assert_eq!(node.status(create.attr.tx).await, Some(WalStatus::Committed));
        assert_eq!(node.catalog.file(later.file_id).await.unwrap().unwrap().attr, later);
        node.is_clean().await;
    }
}

/// Settling may be killed too: whatever it had done already, the next one comes to the same end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settling_goes_on_where_it_was_killed() {
    let ground = Ground::new();
    let node = ground.start().await;
    let neighbour = node.uploaded(b"neighbour").await;
    let ids = FileIds::default();
    // Undone up to the removal of the data, and redone up to the data's being put in place.
    let undone = Interrupted::create(&neighbour, ids.next(), node.term());
    let redone = Interrupted::create(&neighbour, ids.next(), node.term());
    for create in [&undone, &redone] {
        create.announce(&node).await;
    }
    redone.put(&ground, node.term(), At::Placed, At::Placed);
    node.kill().await;
    for _ in 0..3 {
        // Killed right after the term began.
        ground.start_closed().await.kill().await;
    }
    let node = ground.start().await;
    create_ended(&ground, &node, &undone, Expected::Undone, "undone").await;
    create_ended(&ground, &node, &redone, Expected::Redone, "redone").await;
}

/// An operation that lives is its owner's; its row is left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_with_a_living_owner_are_left_alone() {
    let ground = Ground::new();
    let node = ground.start().await;
    let neighbour = node.uploaded(b"neighbour").await;
    let create = Interrupted::create(&neighbour, FileIds::default().next(), node.term());
    let owned = node.live.own(create.attr.tx);
    create.announce(&node).await;
    create.put(&ground, node.term(), At::Placed, At::Staged);
    assert_eq!(node.settle().await, storage_node::settling::Round::default());
    assert!(node.settler.retry(node.term(), create.attr.tx).await.is_err());
    assert_eq!(node.status(create.attr.tx).await, Some(WalStatus::Pending));
    assert!(create.places(&ground)[0].exists());
    drop(owned);
    assert_eq!(node.settle().await.undone, 1);
    node.is_absent(create.attr.file_id, &create.attr.storage_path).await;
}

/// A row whose content cannot be read hides nothing else from settling.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_stops_no_other() {
    let ground = Ground::new();
    let node = ground.start().await;
    let neighbour = node.uploaded(b"neighbour").await;
    let ids = FileIds::default();
    let mut odd = Interrupted::create(&neighbour, ids.next(), node.term());
    odd.intent.operation_data = json!({"storage_path": "../../etc/passwd", "revision": Value::Null});
    odd.announce(&node).await;
    let create = Interrupted::create(&neighbour, ids.next(), node.term());
    create.announce(&node).await;
    let round = node.settle().await;
    assert_eq!((round.undone, round.cannot_tell), (1, 1), "{round:?}");
    assert_eq!(node.status(odd.attr.tx).await, Some(WalStatus::Failed));
    assert_eq!(node.status(create.attr.tx).await, Some(WalStatus::RolledBack));
}
