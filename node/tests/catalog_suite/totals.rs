//! Sums, and the element's own row.

use std::collections::HashMap;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use storage_element_crds::Mode;
use storage_node::catalog::NewElement;
use storage_node::model::{FileRow, FileStatus, Nonce, OperationType, Term, Totals};
use uuid::Uuid;

use crate::made::{Make, Ready, commit, deleted, element, intent, new_term, next};

#[derive(Clone, Debug)]
enum Step {
    Put(usize, u64),
    Update(usize),
    Stale(usize),
    Delete(usize),
    Remove(usize),
    Rebuild(usize, u64),
    Undo(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let file = 0..6_usize;
    prop_oneof![
        (file.clone(), 0..1_000_000_u64).prop_map(|(file, size)| Step::Put(file, size)),
        file.clone().prop_map(Step::Update),
        file.clone().prop_map(Step::Stale),
        file.clone().prop_map(Step::Delete),
        file.clone().prop_map(Step::Remove),
        (file.clone(), 0..1_000_000_u64).prop_map(|(file, size)| Step::Rebuild(file, size)),
        file.prop_map(Step::Undo),
    ]
}

/// Sequences are drawn by proptest; within one, a few steps run at the same time.
pub async fn are_exact_whatever_happens(make: &dyn Make) {
    let mut runner = TestRunner::deterministic();
    for _ in 0..12 {
        let steps = proptest::collection::vec(step(), 1..40).new_tree(&mut runner).unwrap().current();
        let ready = Ready::new(make).await;
        let mut known: HashMap<usize, FileRow> = HashMap::new();
        for group in steps.chunks(4) {
            // Steps on one file keep their order; those on several run together.
            let mut alone: Vec<&Step> = Vec::new();
            let mut together = Vec::new();
            for step in group {
                match step {
                    Step::Put(file, size) if !known.contains_key(file) => {
                        let mut row = ready.file(&format!("{file}.txt"));
                        row.attr.file_size = *size;
                        known.insert(*file, row.clone());
                        together.push(row);
                    }
                    other => alone.push(other),
                }
            }
            join_all(together.iter().map(|row| ready.put(row))).await;
            for step in alone {
                apply(&ready, &mut known, step).await;
            }
        }
        let mut expected = Totals::default();
        for row in known.values() {
            let (files, bytes) = match row.attr.status {
                FileStatus::Active => (&mut expected.active_files, &mut expected.active_bytes),
                FileStatus::Deleted => (&mut expected.deleted_files, &mut expected.deleted_bytes),
            };
            *files += 1;
            *bytes += row.attr.file_size;
        }
        assert_eq!(ready.catalog.totals().await.unwrap(), expected, "{steps:?}");
    }
}

async fn apply(ready: &Ready, known: &mut HashMap<usize, FileRow>, step: &Step) {
    match step {
        Step::Put(..) => {}
        Step::Update(file) | Step::Delete(file) => {
            let Some(row) = known.get_mut(file) else { return };
            *row = if matches!(step, Step::Delete(_)) { deleted(row) } else { next(row) };
            ready.put(row).await;
            ready.commit(row).await;
        }
        Step::Stale(file) => {
            let Some(row) = known.get(file) else { return };
            let mut stale = next(row);
            stale.attr.revision = row.attr.revision.saturating_sub(1).max(1);
            stale.attr.file_size = if stale.attr.revision < row.attr.revision { 1 << 40 } else { row.attr.file_size };
            ready.put(&stale).await;
        }
        Step::Remove(file) => {
            let Some(row) = known.remove(file) else { return };
            assert!(ready.catalog.correct(ready.term, row.attr.file_id, None).await.unwrap());
        }
        Step::Rebuild(file, size) => {
            let mut row = known.get(file).map_or_else(|| ready.file("rebuilt.txt"), next);
            row.attr.file_size = *size;
            assert!(ready.catalog.rebuild_batch(ready.term, Uuid::now_v7(), vec![row.clone()]).await.unwrap());
            known.insert(*file, row);
        }
        Step::Undo(file) => {
            let Some(row) = known.get(file) else { return };
            let update = deleted(row);
            ready.catalog.intent(ready.term, intent(&update, OperationType::FileDelete)).await.unwrap();
            ready.catalog.roll_back(ready.term, update.attr.tx, "undone").await.unwrap();
            assert!(ready.catalog.commit(ready.term, commit(&update)).await.is_err());
        }
    }
}

pub async fn of_an_element_and_its_terms(make: &dyn Make) {
    let (catalog, _keep) = make.empty().await;
    assert!(catalog.check_schema().await.is_err());
    catalog.migrate().await.unwrap();
    catalog.migrate().await.unwrap();
    catalog.check_schema().await.unwrap();
    catalog.ping().await.unwrap();
    assert_eq!(catalog.config().await.unwrap(), None);
    let first = NewElement { needs_rebuild: true, ..element(Mode::Rw) };
    catalog.create_element(&first).await.unwrap();
    catalog.create_element(&element(Mode::Edit)).await.unwrap();
    let config = catalog.config().await.unwrap().unwrap();
    assert_eq!((config.element_id, config.catalog_id, config.mode), (first.element_id, first.catalog_id, Mode::Rw));
    assert_eq!((config.epoch, config.nonce, config.needs_rebuild, config.row_version), (0, None, true, 1));

    let term = Term { epoch: 7, nonce: Nonce::fresh() };
    let rival = Term { epoch: 7, nonce: Nonce::fresh() };
    let begin = |term, expected| {
        let term = new_term(term, expected, Mode::Rw);
        let catalog = &catalog;
        async move { catalog.begin_term(&term).await.unwrap() }
    };
    assert!(!begin(term, 3).await);
    let (one, other) = tokio::join!(begin(term, 0), begin(rival, 0));
    assert!(one != other, "one of two begins");
    let config = catalog.config().await.unwrap().unwrap();
    assert_eq!((config.epoch, config.row_version, config.needs_rebuild), (7, 2, true));
    assert_eq!(config.nonce, Some(if one { term.nonce } else { rival.nonce }));
    assert_eq!(config.master.as_deref(), Some("tests"));
    assert!(!begin(Term { epoch: 7, nonce: Nonce::fresh() }, 7).await, "the epoch has to rise");

    assert_eq!(catalog.highest_file_id().await.unwrap(), None);
    let ready_term = if one { term } else { rival };
    let ids = storage_node::model::FileIds::default();
    let (low, high) = (ids.next(), ids.next());
    for id in [low, high] {
        let row = crate::made::file(id, "a.txt");
        catalog.intent(ready_term, intent(&row, OperationType::FileCreate)).await.unwrap();
        if id == low {
            catalog.commit(ready_term, commit(&row)).await.unwrap();
        }
    }
    assert_eq!(catalog.highest_file_id().await.unwrap(), Some(high));
    catalog.close().await;
    assert!(catalog.config().await.is_err());
}
