//! The next revision of an attr.

use bytes::Bytes;

use crate::made::{Place, Sample, term};

pub async fn an_attr_leaves_its_data_alone(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let mut sample = Sample::new(1000).published(storage.as_ref(), term).await;
    for revision in 2..5 {
        let before = storage.attr(&sample.path).await.unwrap().unwrap();
        let (tx, next) = (uuid::Uuid::new_v4(), Bytes::from(format!("{{\"revision\":{revision}}}")));
        storage.stage_attr(term, tx, next.clone()).await.unwrap();
        sample.is_whole(storage.as_ref()).await;
        storage.publish_attr(term, tx, &before).await.unwrap();
        sample.attr = next;
        sample.is_whole(storage.as_ref()).await;
        assert_eq!(storage.find_attr(sample.id).await.unwrap().unwrap().bytes, sample.attr);
    }
    assert_eq!(place.staged().await, Vec::<String>::new());
}

pub async fn nothing_without_a_staged_attr(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(1000).published(storage.as_ref(), term).await;
    let before = storage.attr(&sample.path).await.unwrap().unwrap();
    let refused = storage.publish_attr(term, uuid::Uuid::new_v4(), &before).await.unwrap_err();
    assert!(!refused.committed, "{refused:?}");
    sample.is_whole(storage.as_ref()).await;
}

pub async fn unstaged_never_comes(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(1000).published(storage.as_ref(), term).await;
    let before = storage.attr(&sample.path).await.unwrap().unwrap();
    let (update, other) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    storage.stage_attr(term, update, Bytes::from_static(b"{}")).await.unwrap();
    storage.stage_attr(term, other, Bytes::from_static(b"{\"other\":1}")).await.unwrap();
    let new = Sample::new(300_000);
    let file = new.staged(storage.as_ref(), term).await;
    for _ in 0..2 {
        storage.unstage(term, update).await.unwrap();
        storage.unstage(term, new.tx).await.unwrap();
    }
    assert!(!storage.publish_attr(term, update, &before).await.unwrap_err().committed);
    assert!(!file.publish().await.unwrap_err().committed);
    new.is_absent(storage.as_ref()).await;
    sample.is_whole(storage.as_ref()).await;
    // Another transaction's is not touched.
    storage.publish_attr(term, other, &before).await.unwrap();
    assert_eq!(storage.attr(&sample.path).await.unwrap().unwrap().bytes, "{\"other\":1}");
}

pub async fn a_transaction_stages_once(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(10).published(storage.as_ref(), term).await;
    let before = storage.attr(&sample.path).await.unwrap().unwrap();
    let tx = uuid::Uuid::new_v4();
    storage.stage_attr(term, tx, Bytes::from_static(b"{\"first\":1}")).await.unwrap();
    assert!(storage.stage_attr(term, tx, Bytes::from_static(b"{\"second\":1}")).await.is_err());
    storage.publish_attr(term, tx, &before).await.unwrap();
    assert_eq!(storage.attr(&sample.path).await.unwrap().unwrap().bytes, "{\"first\":1}");
}
