//! Terms: one at a time changes anything.

use bytes::Bytes;
use storage_node::storage::{Document, StorageError, StorageResult};

use crate::element::replace;
use crate::made::{Place, Sample, term};

fn is_over<T>(result: &StorageResult<T>) {
    assert!(matches!(result, Err(StorageError::TermOver { .. })), "it was not refused as over");
}

pub async fn what_another_term_began_can_not_end(place: &dyn Place) {
    let (old, first) = (place.open().await, term(1));
    old.begin_term(first).await.unwrap();
    let kept = Sample::new(10).published(old.as_ref(), first).await;
    let before = old.attr(&kept.path).await.unwrap().unwrap();
    let (small, large, half) = (Sample::new(5), Sample::new(700_000), Sample::new(700_000));
    let staged_small = small.staged(old.as_ref(), first).await;
    let staged_large = large.staged(old.as_ref(), first).await;
    let mut half_written = half.written(old.as_ref(), first, 100_000).await;
    let update = uuid::Uuid::new_v4();
    old.stage_attr(first, update, Bytes::from_static(b"{\"late\":1}")).await.unwrap();

    let (new, second) = (place.open().await, term(2));
    new.begin_term(second).await.unwrap();

    for file in [staged_small, staged_large] {
        let refused = file.publish().await.unwrap_err();
        assert!(!refused.committed && matches!(refused.error, StorageError::TermOver { .. }), "{refused:?}");
    }
    let refused = old.publish_attr(first, update, &before).await.unwrap_err();
    assert!(!refused.committed && matches!(refused.error, StorageError::TermOver { .. }), "{refused:?}");
    is_over(&old.stage_attr(first, uuid::Uuid::new_v4(), Bytes::from_static(b"{}")).await);
    half_written.seal().await.unwrap();
    is_over(&half_written.stage(half.attr.clone()).await);
    drop(half_written);
    let late = Sample::new(5);
    let mut file = late.written(old.as_ref(), first, 100).await;
    file.seal().await.unwrap();
    is_over(&file.stage(late.attr.clone()).await);

    for sample in [small, large, half, late] {
        sample.is_absent(new.as_ref()).await;
    }
    kept.is_whole(new.as_ref()).await;
    assert_eq!(place.staged().await, Vec::<String>::new());
    // The successor's own are not touched by any of it.
    Sample::new(9).published(new.as_ref(), second).await.is_whole(old.as_ref()).await;
}

pub async fn what_another_term_staged_is_kept_until_emptied(place: &dyn Place) {
    let (old, first) = (place.open().await, term(1));
    old.begin_term(first).await.unwrap();
    let (needed, not_needed) = (Sample::new(400_000), Sample::new(10));
    std::mem::forget(needed.staged(old.as_ref(), first).await);
    std::mem::forget(not_needed.staged(old.as_ref(), first).await);

    let new = place.open().await;
    new.begin_term(term(2)).await.unwrap();
    let newer = place.open().await;
    newer.begin_term(term(3)).await.unwrap();
    place.put(&needed.path.attr_path(), &needed.attr).await;
    assert!(newer.finish_data(needed.tx, &needed.path, Some(400_000)).await.unwrap());
    needed.is_whole(newer.as_ref()).await;

    newer.empty_trash().await.unwrap();
    newer.empty_trash().await.unwrap();
    assert!(!newer.finish_data(not_needed.tx, &not_needed.path, Some(10)).await.unwrap());
    not_needed.is_absent(newer.as_ref()).await;
    needed.is_whole(newer.as_ref()).await;
}

pub async fn finish_only_what_has_the_right_size(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(400_000);
    std::mem::forget(sample.staged(storage.as_ref(), term).await);
    for size in [0, 399_999, 400_001] {
        assert!(!storage.finish_data(sample.tx, &sample.path, Some(size)).await.unwrap());
    }
    assert!(!storage.finish_data(uuid::Uuid::new_v4(), &sample.path, Some(400_000)).await.unwrap());
    sample.is_absent(storage.as_ref()).await;
    assert!(storage.finish_data(sample.tx, &sample.path, None).await.unwrap());
    place.put(&sample.path.attr_path(), &sample.attr).await;
    sample.is_whole(storage.as_ref()).await;
    assert!(!storage.finish_data(sample.tx, &sample.path, None).await.unwrap());
}

/// A term that is begun a second time (its first beginning may have been cut short) keeps what it has staged.
pub async fn begin_as_often_as_they_like(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(7));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(100);
    let file = sample.staged(storage.as_ref(), term).await;
    place.open().await.begin_term(term).await.unwrap();
    storage.begin_term(term).await.unwrap();
    file.publish().await.unwrap();
    sample.is_whole(storage.as_ref()).await;
}

pub async fn tell_the_highest_epoch(place: &dyn Place) {
    let storage = place.open().await;
    assert_eq!(storage.highest_epoch().await.unwrap(), None);
    for epoch in [9, 10, 11] {
        let term = term(epoch);
        storage.begin_term(term).await.unwrap();
        std::mem::forget(Sample::new(1).staged(storage.as_ref(), term).await);
        assert_eq!(storage.highest_epoch().await.unwrap(), Some(epoch));
        assert_eq!(place.open().await.highest_epoch().await.unwrap(), Some(epoch));
    }
}

pub async fn end_when_nothing_is_staged(place: &dyn Place) {
    let (storage, first, second) = (place.open().await, term(1), term(2));
    storage.begin_term(first).await.unwrap();
    replace(storage.as_ref(), Document::Element, &first.to_string(), "{}").await.unwrap();
    Sample::new(100).published(storage.as_ref(), first).await;
    storage.end_term(first).await.unwrap();
    assert_eq!(storage.highest_epoch().await.unwrap(), None);
    storage.end_term(first).await.unwrap();

    storage.begin_term(second).await.unwrap();
    let sample = Sample::new(100);
    let file = sample.staged(storage.as_ref(), second).await;
    storage.end_term(second).await.unwrap();
    file.publish().await.unwrap();
    sample.is_whole(storage.as_ref()).await;
}

/// A master that froze between raising the epoch and beginning its term must not end its successor's.
pub async fn an_older_one_does_not_begin_after_a_newer(place: &dyn Place) {
    let (stalled, successor, newer) = (place.open().await, place.open().await, term(6));
    successor.begin_term(newer).await.unwrap();
    let sample = Sample::new(100);
    let file = sample.staged(successor.as_ref(), newer).await;
    is_over(&stalled.begin_term(term(5)).await);
    file.publish().await.unwrap();
    sample.is_whole(successor.as_ref()).await;
}

pub async fn say_whether_anything_is_staged(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    assert!(storage.staging_is_empty(term).await.unwrap());
    let file = Sample::new(10).staged(storage.as_ref(), term).await;
    assert!(!storage.staging_is_empty(term).await.unwrap());
    file.publish().await.unwrap();
    assert!(storage.staging_is_empty(term).await.unwrap());
}
