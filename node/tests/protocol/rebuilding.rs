//! The cache, made again from the attr files while the node works.

use std::fs;

use futures_util::future::join_all;
use storage_node::catalog::WalQuery;
use storage_node::files::{FileError, Patch};
use storage_node::jobs::{self, JobError, Progress};
use storage_node::model::{OperationType, WalStatus};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ground::Ground;
use crate::node::{Node, caller};

fn tagged(tag: &str) -> Patch {
    Patch { tags: Some(vec![tag.to_owned()]), ..Patch::default() }
}

/// Writes of every kind go on; afterwards the cache says what the attr files say, and nothing was lost or revived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_meanwhile() {
    let ground = Ground::new();
    let node = ground.start().await;
    let there = join_all((0..120).map(|_| node.uploaded(b"there"))).await;
    for row in there.iter().step_by(3) {
        assert!(node.catalog.correct(node.term(), row.attr.file_id, None).await.unwrap());
    }
    let rebuild = async {
        for _ in 0..5 {
            node.rebuild().await.unwrap();
        }
    };
    let write = join_all(there.iter().enumerate().map(|(n, row)| write(&node, n, row.attr.file_id)));
    let ((), changed) = tokio::join!(rebuild, write);
    assert_eq!(changed.iter().filter(|done| **done).count(), 120);
    node.files.drained().await;
    node.is_clean().await;
    let totals = node.catalog.totals().await.unwrap();
    assert_eq!((totals.active_files, totals.deleted_files), (120, 40));
    for row in there.iter().skip(1).step_by(3) {
        let now = node.files.metadata(row.attr.file_id).await.unwrap().attr;
        assert_eq!((now.revision, now.tags.as_slice()), (3, &["second".to_owned()][..]));
    }
}

async fn write(node: &Node, n: usize, id: Uuid) -> bool {
    match n % 3 {
        0 => node.files.delete(&caller(), id, &|_| Ok(())).await.is_ok(),
        1 => {
            let first = node.files.update(&caller(), id, tagged("first"), &|_| Ok(())).await;
            first.is_ok() && node.files.update(&caller(), id, tagged("second"), &|_| Ok(())).await.is_ok()
        }
        _ => node.uploaded(b"new").await.attr.revision == 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_set_to_what_attrs_say_in_either_direction() {
    let ground = Ground::new();
    let node = ground.start().await;
    let (back, gone, damaged, moved) =
        (node.uploaded(b"1").await, node.uploaded(b"2").await, node.uploaded(b"3").await, node.uploaded(b"4").await);
    let at = |row: &storage_node::model::FileRow| row.attr.storage_path.attr_path();
    let first = fs::read(ground.at(&at(&back))).unwrap();
    node.files.update(&caller(), back.attr.file_id, tagged("newer"), &|_| Ok(())).await.unwrap();
    ground.put(&at(&back), &first);
    fs::remove_file(ground.at(&at(&gone))).unwrap();
    let whole = fs::read(ground.at(&at(&damaged))).unwrap();
    ground.put(&at(&damaged), b"{\"half\":");
    // An attr that lies where it does not say it lies is nobody's.
    ground.put("2001/01/01/00/elsewhere.attr.json", &fs::read(ground.at(&at(&moved))).unwrap());

    let report = node.rebuild().await.unwrap();
    assert_eq!((report.files, report.removed_rows, report.corrected_rows, report.damaged_attr), (2, 1, 1, 2));
    node.is_whole(&back, b"1").await;
    assert!(matches!(node.files.metadata(gone.attr.file_id).await, Err(FileError::NotFound(_))));
    assert!(ground.at(gone.attr.storage_path.as_str()).exists(), "data is never removed by a rebuild");
    let row = node.catalog.file(damaged.attr.file_id).await.unwrap().unwrap();
    assert!(row.damaged && row.attr == damaged.attr, "it keeps what was known");
    node.is_whole(&moved, b"4").await;

    ground.put(&at(&damaged), &whole);
    node.rebuild().await.unwrap();
    assert!(!node.catalog.file(damaged.attr.file_id).await.unwrap().unwrap().damaged);
    node.is_whole(&damaged, b"3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_one_says_so_and_is_still_due() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"x").await;
    node.kill().await;
    fs::remove_dir_all(ground.database().parent().unwrap()).unwrap();
    let node = ground.start().await;
    let (progress, cancel, job) = (Progress::default(), CancellationToken::new(), Uuid::new_v4());
    cancel.cancel();
    let ended = jobs::rebuild(&node.storage, &node.catalog, &node.locks, node.term(), job, &progress, &cancel).await;
    assert!(matches!(ended, Err(JobError::Cancelled)), "{ended:?}");
    assert!(node.catalog.config().await.unwrap().unwrap().needs_rebuild);
    node.rebuild().await.unwrap();
    assert!(!node.catalog.config().await.unwrap().unwrap().needs_rebuild);
    let log = node.catalog.wal(&WalQuery { limit: 9, ..WalQuery::default() }).await.unwrap();
    assert!(log.iter().all(|row| row.operation_type == OperationType::CacheRebuild && row.file_id.is_none()));
    let statuses: Vec<_> = log.iter().map(|row| row.status).collect();
    assert_eq!(statuses, [WalStatus::RolledBack, WalStatus::Committed]);
    node.is_whole(&file, b"x").await;
}
