//! The next revision of an attr.

use bytes::Bytes;
use storage_node::model::OperationType;

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
        storage.make_impossible(term, OperationType::FileCreate, new.tx, &new.path).await.unwrap();
    }
    assert!(!storage.publish_attr(term, update, &before).await.unwrap_err().committed);
    assert!(!file.publish().await.unwrap_err().committed);
    new.undone(storage.as_ref(), term).await;
    sample.is_whole(storage.as_ref()).await;
    // Another transaction's is not touched.
    storage.publish_attr(term, other, &before).await.unwrap();
    assert_eq!(storage.attr(&sample.path).await.unwrap().unwrap().bytes, "{\"other\":1}");
}

/// What was made impossible stays so; what has happened stays too.
pub async fn made_impossible_never_comes(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(1000).published(storage.as_ref(), term).await;
    storage.make_impossible(term, OperationType::FileCreate, sample.tx, &sample.path).await.unwrap();
    sample.is_whole(storage.as_ref()).await;

    let before = storage.attr(&sample.path).await.unwrap().unwrap();
    let (late, early) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    storage.stage_attr(term, late, Bytes::from(format!("{{\"tx\":\"{late}\"}}"))).await.unwrap();
    storage.make_impossible(term, OperationType::FileUpdate, late, &sample.path).await.unwrap();
    assert!(!storage.publish_attr(term, late, &before).await.unwrap_err().committed);
    assert_eq!(tx_of(&storage.attr(&sample.path).await.unwrap().unwrap().bytes), sample.tx.to_string());

    let before = storage.attr(&sample.path).await.unwrap().unwrap();
    storage.stage_attr(term, early, Bytes::from(format!("{{\"tx\":\"{early}\"}}"))).await.unwrap();
    storage.publish_attr(term, early, &before).await.unwrap();
    storage.make_impossible(term, OperationType::FileUpdate, early, &sample.path).await.unwrap();
    assert_eq!(tx_of(&storage.attr(&sample.path).await.unwrap().unwrap().bytes), early.to_string());
}

fn tx_of(attr: &[u8]) -> String {
    let attr: serde_json::Value = serde_json::from_slice(attr).unwrap();
    attr["tx"].as_str().unwrap().to_owned()
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
