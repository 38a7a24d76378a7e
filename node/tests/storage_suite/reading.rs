//! Reading data and attrs.

use futures_util::TryStreamExt;
use storage_node::model::{FileIds, StoragePath};
use storage_node::storage::StorageError;
use uuid::Uuid;

use crate::made::{Place, Sample, read, term};

pub async fn ranges_give_their_bytes(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(1_500_000).published(storage.as_ref(), term).await;
    let piece = 256 * 1024;
    for range in
        [0..0, 0..1, 7..8, 0..piece, piece..piece * 2, piece - 1..piece + 1, 3..1_400_000, 1_499_999..1_500_000]
    {
        let expected = &sample.data[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(read(storage.as_ref(), &sample.path, range.clone()).await == expected, "other bytes in {range:?}");
    }
    let empty = Sample::new(0).published(storage.as_ref(), term).await;
    assert_eq!(read(storage.as_ref(), &empty.path, 0..0).await, Vec::<u8>::new());
    // A reader that goes away in the middle disturbs nobody.
    let mut half = storage.read(&sample.path, 0..1_500_000).await.unwrap();
    half.try_next().await.unwrap().unwrap();
    drop(half);
    sample.is_whole(storage.as_ref()).await;
}

pub async fn what_is_not_there_is_said(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(600_000);
    let missing = storage.read(&sample.path, 0..10).await;
    assert!(matches!(missing, Err(StorageError::Missing { path }) if path == sample.path.as_str()));
    sample.is_absent(storage.as_ref()).await;

    // Shorter than its description says: at once when the first piece shows it, else in the stream, never less bytes.
    place.put(sample.path.as_str(), &sample.data).await;
    assert!(storage.read(&sample.path, 600_000..600_001).await.is_err());
    let stream = storage.read(&sample.path, 0..600_001).await.unwrap();
    assert!(stream.try_collect::<Vec<_>>().await.is_err());

    place.put(&sample.path.attr_path(), b"{}").await;
    assert_eq!(storage.find_attr(sample.id).await.unwrap().unwrap().bytes, "{}");
}

pub async fn finds_by_id_what_came_meanwhile(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let long_ago = Uuid::parse_str("01000000-0000-7000-8000-000000000001").unwrap();
    assert_eq!(storage.find_attr(long_ago).await.unwrap(), None);
    let mut samples = Vec::new();
    for _ in 0..5 {
        let next = Sample::new(3);
        assert_eq!(storage.find_attr(next.id).await.unwrap(), None);
        samples.push(next.published(storage.as_ref(), term).await);
        for sample in &samples {
            let found = storage.find_attr(sample.id).await.unwrap().unwrap();
            assert_eq!((&found.path, &found.bytes), (&sample.path, &sample.attr));
        }
    }
    assert_eq!(storage.find_attr(FileIds::default().next()).await.unwrap(), None);
}

pub async fn durable_and_removed_as_often_as_asked(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(10).published(storage.as_ref(), term).await;
    let neighbour = Sample::new(10).published(storage.as_ref(), term).await;
    for _ in 0..2 {
        storage.make_durable(&sample.path).await.unwrap();
        sample.is_whole(storage.as_ref()).await;
    }
    for _ in 0..2 {
        storage.remove_data(&sample.path).await.unwrap();
        assert_eq!(storage.data_stat(&sample.path).await.unwrap(), None);
    }
    assert_eq!(storage.attr(&sample.path).await.unwrap().unwrap().bytes, sample.attr);
    neighbour.is_whole(storage.as_ref()).await;
    let never = StoragePath::new("2001/01/01/00/never").unwrap();
    storage.remove_data(&never).await.unwrap();
}

pub async fn purged_and_set_aside_as_often_as_asked(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let neighbour = Sample::new(10).published(storage.as_ref(), term).await;
    let sample = Sample::new(10).published(storage.as_ref(), term).await;
    place.put(&sample.path.attr_path(), &sample.deleted()).await;
    for _ in 0..2 {
        storage.purge(term, &sample.path).await.unwrap();
        sample.is_absent(storage.as_ref()).await;
        assert_eq!(storage.data_stat(&sample.path).await.unwrap(), None);
    }
    let orphan = Sample::new(10);
    place.put(orphan.path.as_str(), &orphan.data).await;
    assert!(storage.quarantine(&orphan.path).await.unwrap());
    assert!(!storage.quarantine(&orphan.path).await.unwrap());
    orphan.is_absent(storage.as_ref()).await;
    assert_eq!(place.get(&format!(".quarantine/{}", orphan.path)).await.unwrap(), orphan.data);
    neighbour.is_whole(storage.as_ref()).await;
}
