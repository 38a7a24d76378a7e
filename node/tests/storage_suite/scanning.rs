//! Walking over everything.

use std::collections::BTreeMap;

use storage_node::storage::{DataOrder, Document, Found, Storage};
use tokio::sync::mpsc;

use crate::element::replace;
use crate::made::{Place, Sample, term};

/// Everything a scan finds, by path.
pub async fn scan(storage: &dyn Storage) -> BTreeMap<String, Found> {
    let (sender, mut receiver) = mpsc::channel::<Vec<Found>>(1);
    let collect = async {
        let mut all = BTreeMap::new();
        while let Some(batch) = receiver.recv().await {
            for found in batch {
                let double = all.insert(found.path.to_string(), found);
                assert_eq!(double, None, "found twice");
            }
        }
        all
    };
    let (scanned, all) = tokio::join!(storage.scan(sender), collect);
    scanned.unwrap();
    all
}

pub async fn finds_both_halves_of_everything(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    assert!(scan(storage.as_ref()).await.is_empty());
    storage.begin_term(term).await.unwrap();
    replace(storage.as_ref(), Document::Element, "x", "{}").await.unwrap();
    let whole = Sample::new(12).published(storage.as_ref(), term).await;
    if storage.order() == DataOrder::BeforeIntent {
        std::mem::forget(Sample::new(12).staged(storage.as_ref(), term).await);
    }
    place.put("2001/01/01/00/data only", b"12345").await;
    place.put("2001/01/01/00/attr only.attr.json", b"{}").await;
    place.put("2001/02/28/23/garbage.attr.json", b"\xff\xfenot JSON").await;
    place.put("2001/02/28/23/garbage", b"").await;
    place.put(".quarantine/2001/01/01/00/aside", b"1").await;

    let all = scan(storage.as_ref()).await;
    assert_eq!(all.len(), 4, "{:?}", all.keys());
    let found = |path: &str| {
        let found = &all[path];
        (found.attr.clone().map(|attr| attr.unwrap().to_vec()), found.data.map(|data| data.size))
    };
    assert_eq!(found(whole.path.as_str()), (Some(whole.attr.to_vec()), Some(12)));
    assert_eq!(found("2001/01/01/00/data only"), (None, Some(5)));
    assert_eq!(found("2001/01/01/00/attr only"), (Some(b"{}".to_vec()), None));
    assert_eq!(found("2001/02/28/23/garbage"), (Some(b"\xff\xfenot JSON".to_vec()), Some(0)));
}

pub async fn ends_early_when_nobody_listens(place: &dyn Place) {
    let storage = place.open().await;
    for folder in 0..3 {
        for file in 0..700 {
            place.put(&format!("2001/01/01/{folder:02}/{file}"), b"").await;
        }
    }
    let (sender, mut receiver) = mpsc::channel::<Vec<Found>>(1);
    let listen = async move {
        assert!(!receiver.recv().await.unwrap().is_empty());
    };
    let (scanned, ()) = tokio::join!(storage.scan(sender), listen);
    scanned.unwrap();
}

pub async fn sends_all_of_many(place: &dyn Place) {
    let storage = place.open().await;
    for file in 0..1300 {
        place.put(&format!("2001/01/01/{:02}/{file}.attr.json", file % 2), file.to_string().as_bytes()).await;
    }
    let (sender, mut receiver) = mpsc::channel::<Vec<Found>>(1);
    let count = async {
        let mut sum = 0;
        while let Some(batch) = receiver.recv().await {
            assert!(batch.len() <= 650, "a batch is one folder at most");
            sum += batch.len();
        }
        sum
    };
    let (scanned, sum) = tokio::join!(storage.scan(sender), count);
    scanned.unwrap();
    assert_eq!(sum, 1300);
}
