//! What a storage keeps of the element as a whole.

use bytes::Bytes;
use storage_node::storage::{DataOrder, Document, Storage, StorageError};

use crate::made::{Place, Sample, term};

/// Prepared and replaced, with nobody between.
pub async fn replace(
    storage: &dyn Storage,
    document: Document,
    folder: &str,
    content: &'static str,
) -> Result<(), StorageError> {
    let prepared = storage.prepare_document(document, folder).await?;
    storage.replace_document(prepared, Bytes::from(content)).await
}

pub async fn is_replaced_whole(place: &dyn Place) {
    let storage = place.open().await;
    assert_eq!(storage.element_file().await.unwrap(), None);
    for content in ["{\"epoch\": 1, \"long\": \"................\"}", "{\"epoch\": 2}", "{\"epoch\": 3}"] {
        let folder = term(1).to_string();
        replace(storage.as_ref(), Document::Element, &folder, content).await.unwrap();
        replace(storage.as_ref(), Document::Element, &folder, content).await.unwrap();
        assert_eq!(storage.element_file().await.unwrap().unwrap(), content);
        assert_eq!(place.open().await.element_file().await.unwrap().unwrap(), content);
    }
    storage.begin_term(term(2)).await.unwrap();
    assert_eq!(storage.element_file().await.unwrap().unwrap(), "{\"epoch\": 3}");
}

pub async fn is_told_from_a_place_with_files(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    assert!(!storage.holds_files().await.unwrap());
    replace(storage.as_ref(), Document::Element, "x", "{}").await.unwrap();
    storage.begin_term(term).await.unwrap();
    if storage.order() == DataOrder::BeforeIntent {
        std::mem::forget(Sample::new(10).staged(storage.as_ref(), term).await);
    }
    assert!(!storage.holds_files().await.unwrap());
    place.put("2001/01/01/00/a.attr.json", b"{}").await;
    assert!(storage.holds_files().await.unwrap());
}

pub async fn says_what_space_it_has(place: &dyn Place) {
    if let Some(space) = place.open().await.space().await.unwrap() {
        assert!(space.total > 0 && space.available <= space.total, "{space:?}");
    }
}

/// Probes come from several clients at once and leave nothing.
pub async fn answers_a_probe(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    storage.probe(false).await.unwrap();
    let probes = (0..32).map(|_| storage.probe(true));
    for probe in futures_util::future::join_all(probes).await {
        probe.unwrap();
    }
    assert_eq!(place.staged().await, Vec::<String>::new());
}

pub async fn keeps_reports_of_mode_changes(place: &dyn Place) {
    let storage = place.open().await;
    for content in ["{\"first\": 1, \"long\": \"........\"}", "{\"again\": 1}"] {
        replace(storage.as_ref(), Document::Report("t1".to_owned()), "t1-1", content).await.unwrap();
        assert_eq!(place.get(".element/transitions/t1.json").await.unwrap(), content.as_bytes());
    }
    assert!(!storage.holds_files().await.unwrap());
}
