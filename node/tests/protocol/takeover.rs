//! The beginning of a term: from every state that a crash, a restored copy or a wrong mount can leave.

use std::fs;

use storage_element_crds::Mode;
use storage_node::catalog::{Catalog, ConfigRow, NewElement, NewTerm};
use storage_node::element::{Adoption, ElementFile};
use storage_node::model::{FileIds, Nonce, Term, Timestamp};
use storage_node::settling::{Successor, TakenOver, TakeoverError, take_over};
use uuid::Uuid;

use crate::by_hand::{At, DATA, Interrupted};
use crate::ground::{Ground, names_in, successor};
use crate::node::Node;

async fn config(ground: &Ground) -> ConfigRow {
    let catalog = ground.catalog().await;
    let row = catalog.config().await.unwrap().unwrap();
    catalog.close().await;
    row
}

fn element_file(ground: &Ground) -> ElementFile {
    ElementFile::parse(&fs::read(ground.at(".element/element.json")).unwrap()).unwrap()
}

async fn taken_over(ground: &Ground) -> Result<TakenOver, TakeoverError> {
    taken_over_by(ground, &successor()).await
}

async fn taken_over_by(ground: &Ground, successor: &Successor) -> Result<TakenOver, TakeoverError> {
    let catalog = ground.catalog().await;
    catalog.migrate().await?;
    let result = take_over(&ground.storage(), &catalog, successor).await;
    catalog.close().await;
    result
}

/// Row and file belong together, and both say what was taken over.
async fn agree(ground: &Ground, taken: &TakenOver) {
    let (row, file) = (config(ground).await, element_file(ground));
    assert_eq!(file, taken.file);
    assert_eq!((row.element_id, row.catalog_id), (file.element_id, file.catalog_id));
    assert_eq!((row.epoch, row.mode, row.nonce), (file.epoch, file.mode, Some(taken.term.nonce)));
    assert_eq!((row.epoch, row.needs_rebuild), (taken.term.epoch, taken.needs_rebuild));
}

fn element(file: &ElementFile, needs_rebuild: bool) -> NewElement {
    NewElement {
        element_id: file.element_id,
        catalog_id: file.catalog_id,
        mode: file.mode,
        mode_changed_at: file.mode_changed_at,
        needs_rebuild,
    }
}

/// Each crash while an element is made leaves a state from which the next start goes on with the same ids.
#[tokio::test]
async fn an_element_half_made_is_made_whole() {
    for (has_row, has_file, has_term) in
        [(false, false, false), (true, false, false), (true, true, false), (true, true, true)]
    {
        for with_files in [false, true] {
            let ground = Ground::new();
            if with_files {
                ground.put("2026/01/01/00/copied.attr.json", b"{}");
            }
            let made = ElementFile::new(Mode::Rw);
            let catalog = ground.catalog().await;
            catalog.migrate().await.unwrap();
            if has_row {
                catalog.create_element(&element(&made, with_files)).await.unwrap();
            }
            if has_file {
                ground.put(".element/element.json", &made.to_bytes().unwrap());
            }
            if has_term {
                let term = Term { epoch: 1, nonce: Nonce::fresh() };
                let next = NewTerm {
                    term,
                    expected_epoch: 0,
                    master: "dead".to_owned(),
                    master_address: None,
                    needs_rebuild: with_files,
                    mode: made.mode,
                    mode_changed_at: made.mode_changed_at,
                };
                assert!(catalog.begin_term(&next).await.unwrap());
            }
            catalog.close().await;
            let taken = taken_over(&ground).await.unwrap();
            let case = format!("row {has_row}, file {has_file}, term {has_term}, files {with_files}");
            agree(&ground, &taken).await;
            assert_eq!(taken.term.epoch, if has_term { 2 } else { 1 }, "{case}");
            assert_eq!(taken.needs_rebuild, with_files, "{case}");
            let is_the_same = taken.file.element_id == made.element_id && taken.file.catalog_id == made.catalog_id;
            assert_eq!(is_the_same, has_row, "{case}");
            assert_eq!(taken.file.mode, if has_row { Mode::Rw } else { Mode::Edit }, "{case}");
        }
    }
}

/// Only `element.json` is there: the catalog was thrown away, or its adoption was cut short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_catalog_is_made_from_the_volume() {
    let ground = Ground::new();
    let node = ground.start().await;
    let file = node.uploaded(DATA).await;
    node.kill().await;
    let before = element_file(&ground);
    fs::remove_dir_all(ground.database().parent().unwrap()).unwrap();
    let catalog = ground.catalog().await;
    catalog.migrate().await.unwrap();
    catalog.create_element(&element(&before, true)).await.unwrap();
    catalog.close().await;
    for _ in 0..2 {
        let taken = taken_over(&ground).await.unwrap();
        agree(&ground, &taken).await;
        assert!(taken.needs_rebuild, "until a rebuild has ended");
        assert_eq!(taken.file.element_id, before.element_id);
        assert!(taken.term.epoch > before.epoch);
    }
    fs::remove_dir_all(ground.database().parent().unwrap()).unwrap();
    let node = ground.start().await;
    assert!(node.taken_over.needs_rebuild);
    node.rebuild().await.unwrap();
    node.is_whole(&file, DATA).await;
    node.is_clean().await;
    node.kill().await;
    assert!(!taken_over(&ground).await.unwrap().needs_rebuild);
}

/// The catalog is a copy of an earlier term.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_catalog_is_noticed_and_brought_up_to_date() {
    let ground = Ground::new();
    let node = ground.start().await;
    let (kept, deleted) = (node.uploaded(b"kept").await, node.uploaded(b"deleted").await);
    node.kill().await;
    let copy = fs::read(ground.database()).unwrap();
    let node = ground.start().await;
    let new = node.uploaded(b"new").await;
    let caller = crate::node::caller();
    node.files.delete(&caller, deleted.attr.file_id, &|_| Ok(())).await.unwrap();
    let last = node.term().epoch;
    node.kill().await;
    for name in names_in(ground.database().parent().unwrap()) {
        fs::remove_file(ground.database().with_file_name(name)).unwrap();
    }
    fs::write(ground.database(), copy).unwrap();

    // Killed after the epoch was raised: the evidence is in the row from then on.
    assert!(taken_over(&ground).await.unwrap().needs_rebuild);
    let node = ground.start().await;
    assert!(node.taken_over.needs_rebuild && node.term().epoch > last);
    node.rebuild().await.unwrap();
    node.is_whole(&kept, b"kept").await;
    node.is_whole(&new, b"new").await;
    assert!(node.files.metadata(deleted.attr.file_id).await.is_err());
    node.is_clean().await;
}

#[tokio::test]
async fn the_more_restrictive_mode_wins_on_either_side() {
    for (in_file, in_row) in [(Mode::Ro, Mode::Rw), (Mode::Rw, Mode::Ro), (Mode::Ar, Mode::Ro), (Mode::Rw, Mode::Rw)] {
        let ground = Ground::new();
        let made = ElementFile { epoch: 0, ..ElementFile::new(in_file) };
        ground.put(".element/element.json", &made.to_bytes().unwrap());
        ground.put(".staging/0-00000000000000aa/left", b"");
        let catalog = ground.catalog().await;
        catalog.migrate().await.unwrap();
        catalog.create_element(&NewElement { mode: in_row, ..element(&made, false) }).await.unwrap();
        catalog.close().await;
        let taken = taken_over(&ground).await.unwrap();
        agree(&ground, &taken).await;
        let wins = in_file.more_restrictive(in_row);
        assert_eq!(taken.file.mode, wins, "{in_file} and {in_row}");
        // Sealed, the volume may be mounted read-only but for `.element/`.
        let touched = !ground.at(".staging/0-00000000000000aa/left").exists();
        assert_eq!(touched, wins.is_writable(), "{wins}");
    }
}

#[tokio::test]
async fn what_does_not_belong_together_is_refused_and_left_as_it_was() {
    let (one, two) = (Ground::new(), Ground::new());
    for ground in [&one, &two] {
        taken_over(ground).await.unwrap();
    }
    let own = fs::read(one.at(".element/element.json")).unwrap();
    let (row, file) = (config(&one).await, element_file(&one));
    let second_catalog = ElementFile { catalog_id: Uuid::new_v4(), ..file.clone() };
    let cases = [
        (Some(fs::read(two.at(".element/element.json")).unwrap()), None, "another element's"),
        (Some(second_catalog.to_bytes().unwrap().to_vec()), None, "second catalog"),
        (None, None, "is the right volume"),
        (Some(own.clone()), Some(Uuid::new_v4()), "the configuration names element"),
        (Some(b"{\"half\":".to_vec()), None, "cannot be read"),
    ];
    for (element_json, expected_id, says) in cases {
        let element_json: Option<Vec<u8>> = element_json;
        let _ = fs::remove_file(one.at(".element/element.json"));
        if let Some(bytes) = &element_json {
            one.put(".element/element.json", bytes);
        }
        let refused = taken_over_by(&one, &Successor { expected_id, ..successor() }).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
        assert_eq!(config(&one).await, row, "{says}");
        assert_eq!(fs::read(one.at(".element/element.json")).ok(), element_json, "{says}");
    }
    one.put(".element/element.json", &own);
    assert_eq!(taken_over(&one).await.unwrap().file.element_id, file.element_id);
}

/// In a cluster a volume with a new catalog is taken only when a person has named it.
#[tokio::test]
async fn adoption_has_to_be_asked_for_with_a_lease() {
    let ground = Ground::new();
    let id = taken_over(&ground).await.unwrap().file.element_id;
    fs::remove_dir_all(ground.database().parent().unwrap()).unwrap();
    for named in [None, Some(Uuid::new_v4())] {
        let adoption = Adoption::Only(named);
        let refused = taken_over_by(&ground, &Successor { adoption, ..successor() }).await.unwrap_err();
        assert!(refused.to_string().contains("element.adopt"), "{refused}");
    }
    let adoption = Adoption::Only(Some(id));
    let taken = taken_over_by(&ground, &Successor { adoption, ..successor() }).await.unwrap();
    assert!(taken.needs_rebuild && taken.file.element_id == id);
}

/// The epoch is above every trace of an older one, and what other terms staged is out of their reach.
#[tokio::test]
async fn the_epoch_is_above_every_trace_of_another() {
    let ground = Ground::new();
    assert_eq!(taken_over(&ground).await.unwrap().term.epoch, 1);
    assert_eq!(taken_over(&ground).await.unwrap().term.epoch, 2);
    ground.put(".staging/50-00000000000000aa/x.attr", b"{}");
    assert_eq!(taken_over(&ground).await.unwrap().term.epoch, 51);
    let file = ElementFile { epoch: 70, ..element_file(&ground) };
    ground.put(".element/element.json", &file.to_bytes().unwrap());
    let taken = taken_over(&ground).await.unwrap();
    assert!(taken.term.epoch == 71 && taken.needs_rebuild, "a row of a lower epoch is an old one: {taken:?}");
    assert_eq!(names_in(&ground.at(".staging")), [taken.term.to_string()]);
    agree(&ground, &taken).await;
}

/// Ids rise over restarts, even when the clock stands behind an id that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_stay_above_the_highest_one_there_is() {
    let ground = Ground::new();
    let node = ground.start().await;
    let first = node.uploaded(b"x").await;
    let years_ahead = Timestamp::now().plus_days(3650).millis();
    let ahead = Uuid::from_u128((u128::try_from(years_ahead).unwrap() << 80) | (7 << 76) | (2 << 62) | 5);
    let create = Interrupted::create(&first, ahead, node.term());
    create.put(&ground, node.term(), At::Placed, At::Placed);
    node.rebuild().await.unwrap();
    node.kill().await;
    let node = ground.start().await;
    let mut last = rise(&node, ahead).await;
    node.kill().await;
    // A catalog made anew knows of no id before its rebuild.
    fs::remove_dir_all(ground.database().parent().unwrap()).unwrap();
    let node = ground.start().await;
    node.rebuild().await.unwrap();
    node.files.raise_ids().await.unwrap();
    last = rise(&node, last).await;
    assert!(FileIds::default().next() < last, "the wall clock is behind");
    node.is_clean().await;
}

/// The last of some new ids, all above `last`.
async fn rise(node: &Node, mut last: Uuid) -> Uuid {
    for _ in 0..3 {
        let next = node.uploaded(b"y").await.attr.file_id;
        assert!(next > last, "{next} is not above {last}");
        last = next;
    }
    last
}
