//! Verify: each finding by its name, and what repair makes of it.

use std::fs;

use storage_node::files::Patch;
use storage_node::jobs::FindingKind;
use storage_node::model::{FileRow, FileStatus};

use crate::by_hand::{At, Interrupted};
use crate::ground::Ground;
use crate::node::{Node, caller};

/// One file for each finding, and one that is as it should be.
async fn damage(ground: &Ground, node: &Node) -> Vec<(FindingKind, FileRow)> {
    use FindingKind as K;
    let kinds = [
        K::MissingData,
        K::SizeMismatch,
        K::ChecksumMismatch,
        K::MissingRow,
        K::StaleRow,
        K::RowWithoutAttr,
        K::DamagedAttr,
    ];
    let mut files = Vec::new();
    for kind in kinds {
        let row = node.uploaded(b"0123456789").await;
        let (data, attr) = (row.attr.storage_path.to_string(), row.attr.storage_path.attr_path());
        match kind {
            K::MissingData => fs::remove_file(ground.at(&data)).unwrap(),
            K::SizeMismatch => ground.put(&data, b"012345678"),
            K::ChecksumMismatch => ground.put(&data, b"012345678X"),
            K::MissingRow => assert!(node.catalog.correct(node.term(), row.attr.file_id, None).await.unwrap()),
            K::StaleRow => {
                let first = fs::read(ground.at(&attr)).unwrap();
                let patch = Patch { tags: Some(vec!["newer".to_owned()]), ..Patch::default() };
                node.files.update(&caller(), row.attr.file_id, patch, &|_| Ok(())).await.unwrap();
                ground.put(&attr, &first);
            }
            K::RowWithoutAttr => {
                fs::remove_file(ground.at(&attr)).unwrap();
                fs::remove_file(ground.at(&data)).unwrap();
            }
            K::DamagedAttr => ground.put(&attr, b"{\"half\":"),
            K::OrphanData => {}
        }
        files.push((kind, row));
    }
    ground.put("2001/01/01/00/orphan", b"whose?");
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_is_found_and_rows_are_repaired() {
    let ground = Ground::new();
    let node = ground.start().await;
    let whole = node.uploaded(b"whole").await;
    let files = damage(&ground, &node).await;
    let (report, findings) = node.verify(false).await;
    let mut expected: Vec<_> = files.iter().map(|(kind, row)| (row.attr.storage_path.to_string(), *kind)).collect();
    expected.push(("2001/01/01/00/orphan".to_owned(), FindingKind::OrphanData));
    expected.sort_by_key(|(path, _)| path.clone());
    let mut found: Vec<_> = findings.iter().map(|finding| (finding.path.clone(), finding.kind)).collect();
    found.sort_by_key(|(path, _)| path.clone());
    assert_eq!(found, expected);
    let counts = [
        report.missing_data,
        report.size_mismatch,
        report.checksum_mismatch,
        report.missing_row,
        report.stale_row,
        report.row_without_attr,
        report.orphan_data,
        report.damaged_attr,
    ];
    assert_eq!((counts, report.repaired), ([1; 8], 0));
    assert!(!report.is_clean() && findings.iter().all(|finding| !finding.message.is_empty()));

    let before = files_in(&ground);
    let (report, _) = node.verify(true).await;
    assert_eq!((report.findings(), report.repaired), (8, 3));
    assert_eq!(files_in(&ground), before, "repair touches no file of the volume");
    let (report, left) = node.verify(false).await;
    assert_eq!(report.findings(), 5, "{left:?}");
    assert_eq!((report.missing_row, report.stale_row, report.row_without_attr), (0, 0, 0));
    node.is_whole(&files[3].1, b"0123456789").await;
    node.is_whole(&files[4].1, b"0123456789").await;
    assert_eq!(node.catalog.file(files[5].1.attr.file_id).await.unwrap(), None);
    node.is_whole(&whole, b"whole").await;
}

fn files_in(ground: &Ground) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![ground.volume()];
    while let Some(folder) = folders.pop() {
        for name in crate::ground::names_in(&folder) {
            let path = folder.join(name);
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

/// Not findings: an upload on its way, a deleted file whose bytes are gone, a tombstone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_as_it_may_be_is_no_finding() {
    let ground = Ground::new();
    let node = ground.start().await;
    let deleted = node.uploaded(b"0123456789").await;
    node.files.delete(&caller(), deleted.attr.file_id, &|_| Ok(())).await.unwrap();
    fs::remove_file(ground.at(deleted.attr.storage_path.as_str())).unwrap();
    let create = Interrupted::create(&deleted, storage_node::model::FileIds::default().next(), node.term());
    create.announce(&node).await;
    create.put(&ground, node.term(), At::Placed, At::Nowhere);
    let tombstone = storage_node::model::Tombstone {
        schema_version: 1,
        tombstone: true,
        file_id: create.attr.file_id,
        epoch: 1,
        write_id: uuid::Uuid::new_v4(),
    };
    ground.put("2001/01/01/00/never.attr.json", &serde_json::to_vec(&tombstone).unwrap());
    let (report, findings) = node.verify(false).await;
    assert_eq!((report.findings(), findings), (0, Vec::new()));
    assert_eq!(node.catalog.file(deleted.attr.file_id).await.unwrap().unwrap().attr.status, FileStatus::Deleted);
}

/// Without `deep` no data is read: only its size is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_are_compared_only_when_asked() {
    use storage_node::jobs::{Progress, VerifyOptions, verify};
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(b"0123456789").await;
    ground.put(file.attr.storage_path.as_str(), b"012345678X");
    let cancel = tokio_util::sync::CancellationToken::new();
    for (deep, findings, bytes) in [(false, 0, 0), (true, 1, 10)] {
        let progress = Progress::default();
        let options = VerifyOptions { deep, ..VerifyOptions::default() };
        let report =
            verify(&node.storage, &node.catalog, &node.locks, options, &progress, &cancel, &mut |_| {}).await.unwrap();
        assert_eq!((report.findings(), progress.view().bytes), (findings, bytes));
        assert_eq!((progress.view().done, progress.view().total), (1, 1));
    }
}

/// Verifying while the node works finds nothing that is not so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_on_their_way_are_no_findings() {
    let ground = Ground::new();
    let node = ground.start().await;
    let write = async {
        for n in 0..60 {
            let row = node.uploaded(b"x").await;
            let patch = Patch { tags: Some(vec![n.to_string()]), ..Patch::default() };
            node.files.update(&caller(), row.attr.file_id, patch, &|_| Ok(())).await.unwrap();
            if n % 3 == 0 {
                node.files.delete(&caller(), row.attr.file_id, &|_| Ok(())).await.unwrap();
            }
        }
    };
    let look = async {
        for _ in 0..15 {
            let (report, findings) = node.verify(false).await;
            assert_eq!(report.findings(), 0, "{findings:?}");
        }
    };
    tokio::join!(write, look);
    node.is_clean().await;
}
