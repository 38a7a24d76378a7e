//! A local volume, and what only it can be shown to do.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use storage_node::model::OperationType;
use storage_node::storage::local::LocalStorage;
use storage_node::storage::{SharedStorage, Storage, StorageError};
use tempfile::TempDir;
use uuid::Uuid;

use crate::made::{Make, Place, Sample, term};
use crate::scanning::scan;

pub struct Local;

/// A folder.
pub struct Volume(TempDir);

impl Make for Local {
    type Place = Volume;

    async fn place(&self) -> Box<Volume> {
        Box::new(Volume(tempfile::tempdir().unwrap()))
    }
}

#[async_trait]
impl Place for Volume {
    async fn open(&self) -> SharedStorage {
        Arc::new(LocalStorage::open(self.0.path()).unwrap())
    }

    async fn staged(&self) -> Vec<String> {
        let (mut names, staging) = (Vec::new(), self.0.path().join(".staging"));
        for folder in names_in(&staging) {
            assert!(!folder.starts_with("dead-"), "{folder} stayed");
            names.extend(names_in(&staging.join(folder)));
        }
        names
    }

    async fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    async fn get(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.0.path().join(path)).ok()
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_volume_has_to_be_a_folder_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"").unwrap();
    for path in ["nowhere", "file"] {
        assert!(matches!(LocalStorage::open(&folder.path().join(path)), Err(StorageError::Io { .. })), "{path}");
    }
}

/// A beginning of a term that was killed anywhere, and things nobody of us made.
#[tokio::test]
async fn a_term_begins_over_whatever_another_left() {
    let place = Local.place().await;
    let (a, b) = ("3-00000000000000aa", "4-00000000000000bb");
    let txs: Vec<Uuid> = (0..5).map(|_| Uuid::new_v4()).collect();
    place.put(&format!(".staging/dead-{a}/{}.data", txs[0]), b"one").await;
    place.put(&format!(".trash/{a}/{}.data", txs[1]), b"two").await;
    // Renamed already when its frozen owner woke up and made it again.
    place.put(&format!(".staging/dead-{b}/{}.data", txs[2]), b"three").await;
    place.put(&format!(".staging/{b}/{}.data", txs[3]), b"four").await;
    fs::create_dir_all(place.0.path().join(".staging/dead-2-00000000000000cc")).unwrap();
    place.put(".staging/a note", b"stray").await;
    place.put(".staging/dead-note", b"stray").await;
    place.put(&format!(".element/staging/{b}/element.json"), b"half").await;
    place.put(".element/staging/a note", b"stray").await;
    let storage = place.open().await;
    assert_eq!(storage.highest_epoch().await.unwrap(), Some(4));

    let term = term(9);
    storage.begin_term(term).await.unwrap();
    storage.begin_term(term).await.unwrap();
    assert_eq!(names_in(&place.0.path().join(".staging")), [term.to_string()]);
    assert_eq!(names_in(&place.0.path().join(".element/staging")), Vec::<String>::new());
    for (tx, content) in txs.iter().zip([Some("one"), Some("two"), Some("three"), Some("four"), None]) {
        let sample = Sample::new(0);
        assert_eq!(storage.finish_data(*tx, &sample.path, None).await.unwrap(), content.is_some());
        assert_eq!(place.get(sample.path.as_str()).await.as_deref(), content.map(str::as_bytes));
    }
    storage.empty_trash().await.unwrap();
    assert_eq!(names_in(&place.0.path().join(".trash")), Vec::<String>::new());
}

/// Data before attr: an attr never stands without its data.
#[tokio::test]
async fn the_data_is_put_in_place_before_the_attr() {
    let place = Local.place().await;
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();

    let sample = Sample::new(10);
    fs::create_dir_all(place.0.path().join(sample.path.as_str())).unwrap();
    let refused = sample.staged(storage.as_ref(), term).await.publish().await.unwrap_err();
    assert!(!refused.committed, "{refused:?}");
    assert_eq!(storage.attr(&sample.path).await.unwrap(), None);

    let sample = Sample::new(10);
    fs::create_dir_all(place.0.path().join(sample.path.attr_path())).unwrap();
    let refused = sample.staged(storage.as_ref(), term).await.publish().await.unwrap_err();
    assert!(refused.committed, "whether that rename happened is not known: {refused:?}");
    assert_eq!(place.get(sample.path.as_str()).await.unwrap(), sample.data);
}

/// The listing of a quiet folder is kept, and left as soon as the folder changes.
#[tokio::test]
async fn a_kept_listing_is_left_when_its_folder_changes() {
    let place = Local.place().await;
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let first = Sample::new(1).published(storage.as_ref(), term).await;
    let folder = place.0.path().join(first.path.folder());
    let an_hour_ago = SystemTime::now() - Duration::from_hours(1);
    fs::File::open(&folder).unwrap().set_modified(an_hour_ago).unwrap();
    let second = Sample { path: first.path.clone(), ..Sample::new(1) };
    assert!(storage.find_attr(first.id).await.unwrap().is_some());
    assert!(storage.find_attr(second.id).await.unwrap().is_none());

    let name = first.path.file_name().replace(&first.id.simple().to_string(), &second.id.simple().to_string());
    place.put(&format!("{}/{name}.attr.json", first.path.folder()), b"{\"second\":1}").await;
    assert_eq!(storage.find_attr(second.id).await.unwrap().unwrap().bytes, "{\"second\":1}");
    fs::remove_file(folder.join(format!("{name}.attr.json"))).unwrap();
    assert_eq!(storage.find_attr(second.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_scan_follows_no_links_and_leaves_foreign_things() {
    let place = Local.place().await;
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("01")).unwrap();
    fs::write(outside.path().join("01/secret"), b"").unwrap();
    place.put("2001/01/01/00/kept", b"1").await;
    place.put("2001/01/01/00/.nfs0001", b"1").await;
    place.put("README", b"1").await;
    place.put("lost+found/x", b"1").await;
    std::os::unix::fs::symlink(outside.path(), place.0.path().join("2002")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("01/secret"), place.0.path().join("2001/01/01/00/link")).unwrap();
    let storage = place.open().await;
    assert_eq!(scan(storage.as_ref()).await.into_keys().collect::<Vec<_>>(), ["2001/01/01/00/kept"]);
}

/// An attr file larger than any we write is read only so far.
#[tokio::test]
async fn a_huge_attr_does_not_fill_the_memory() {
    let place = Local.place().await;
    let sample = Sample::new(0);
    place.put(&sample.path.attr_path(), &vec![b'x'; 10 << 20]).await;
    let storage = place.open().await;
    assert!(storage.attr(&sample.path).await.unwrap().unwrap().bytes.len() <= 64 * 1024);
    let found = scan(storage.as_ref()).await;
    assert!(found[sample.path.as_str()].attr.clone().unwrap().unwrap().len() <= 64 * 1024);
}

#[tokio::test]
async fn each_change_of_a_folder_is_synced() {
    let place = Local.place().await;
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(1).published(storage.as_ref(), term).await;
    let mut synced = storage.folder_syncs();
    let mut again = |storage: &dyn Storage| {
        let before = std::mem::replace(&mut synced, storage.folder_syncs());
        assert!(synced > before, "no folder was synced");
    };
    Sample::new(1).published(storage.as_ref(), term).await;
    again(storage.as_ref());
    storage.make_durable(&sample.path).await.unwrap();
    again(storage.as_ref());
    let (tx, before) = (Uuid::new_v4(), storage.attr(&sample.path).await.unwrap().unwrap());
    storage.stage_attr(term, tx, Bytes::from_static(b"{}")).await.unwrap();
    storage.publish_attr(term, tx, &before).await.unwrap();
    again(storage.as_ref());
    storage.stage_attr(term, tx, Bytes::from_static(b"{}")).await.unwrap();
    storage.unstage(term, tx).await.unwrap();
    again(storage.as_ref());
    storage.remove_data(&sample.path).await.unwrap();
    again(storage.as_ref());
}

#[tokio::test]
async fn a_probe_notices_that_the_volume_is_gone() {
    let place = Local.place().await;
    let storage = place.open().await;
    storage.begin_term(term(1)).await.unwrap();
    fs::remove_dir_all(place.0.path()).unwrap();
    assert!(storage.probe(false).await.is_err());
    assert!(storage.probe(true).await.is_err());
}

/// On a network file system what is said not to be there may be a memory: what is to be undone is looked at after a change
/// of one's own in its folder.
#[tokio::test]
async fn absence_is_asked_for_afresh_before_anything_is_undone() {
    let (volume, term) = (Volume(tempfile::tempdir().unwrap()), term(1));
    let storage = volume.open().await;
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(10).published(storage.as_ref(), term).await;
    let folder = volume.0.path().join(sample.path.as_str()).parent().unwrap().to_owned();
    let changed = || fs::metadata(&folder).unwrap().modified().unwrap();
    let names = names_in(&folder);
    for _ in 0..2 {
        let before = changed();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let tx = Uuid::new_v4();
        // As if the process had ended in between the last time.
        fs::write(folder.join(format!(".{tx}")), "").unwrap();
        storage.make_impossible(term, OperationType::FileCreate, tx, &sample.path).await.unwrap();
        assert!(changed() > before, "nothing was changed in the folder");
        assert_eq!(names_in(&folder), names, "something stayed");
    }
}
