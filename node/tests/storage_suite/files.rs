//! New files, from their first byte to their place.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use storage_node::storage::{DataOrder, Sealed};

use crate::made::{Place, Sample, nothing_stays_staged, term};

/// Sizes around the piece that a local volume gathers (256 KiB), and beyond what S3 takes in one part (5 MiB).
const SIZES: [usize; 7] = [0, 1, 10_000, 256 * 1024, 256 * 1024 + 1, 1_000_000, 6 * 1024 * 1024];

pub async fn come_whole_and_leave_nothing_staged(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    for size in SIZES {
        for piece in [1 << 20, 70_001] {
            let sample = Sample::new(size);
            let mut file = sample.written(storage.as_ref(), term, piece).await;
            file.write(Bytes::new()).await.unwrap();
            let sealed = file.seal().await.unwrap();
            assert_eq!(sealed, Sealed { size: size as u64, checksum: sample.checksum() });
            file.stage(sample.attr.clone()).await.unwrap();
            file.publish().await.unwrap();
            sample.is_whole(storage.as_ref()).await;
            let attr = storage.find_attr(sample.id).await.unwrap().unwrap();
            assert_eq!((attr.path, attr.bytes), (sample.path, sample.attr));
        }
    }
    assert_eq!(place.staged().await, Vec::<String>::new());
    assert_eq!(storage.broken(), None);
}

pub async fn are_not_seen_before_they_are_published(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let sample = Sample::new(300_000);
    let file = sample.staged(storage.as_ref(), term).await;
    sample.is_absent(storage.as_ref()).await;
    if storage.order() == DataOrder::BeforeIntent {
        assert!(!storage.holds_files().await.unwrap());
    }
    file.publish().await.unwrap();
    sample.is_whole(storage.as_ref()).await;
    assert!(storage.holds_files().await.unwrap());
}

pub async fn dropped_leave_nothing(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    for size in [0, 100, 600_000] {
        let samples = [Sample::new(size), Sample::new(size), Sample::new(size)];
        drop(samples[0].written(storage.as_ref(), term, 90_000).await);
        let mut sealed = samples[1].written(storage.as_ref(), term, 90_000).await;
        sealed.seal().await.unwrap();
        drop(sealed);
        drop(samples[2].staged(storage.as_ref(), term).await);
        nothing_stays_staged(place).await;
        for sample in samples {
            sample.is_absent(storage.as_ref()).await;
            sample.undone(storage.as_ref(), term).await;
        }
    }
    storage.new_file(term, uuid::Uuid::new_v4(), &Sample::new(0).path).await.unwrap();
    assert_eq!(place.staged().await, Vec::<String>::new());
}

/// The caller goes away while bytes, or the attr, are on their way to the storage.
pub async fn dropped_while_a_piece_is_written_leave_nothing(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let large = Bytes::from(vec![7; 1 << 20]);
    for pause_micros in (0..40).map(|step| step * 50) {
        let sample = Sample::new(0);
        let mut file = storage.new_file(term, sample.tx, &sample.path).await.unwrap();
        file.write(large.clone()).await.unwrap();
        file.write(large.clone()).await.unwrap();
        tokio::time::sleep(Duration::from_micros(pause_micros)).await;
        drop(file);

        let sample = Sample::new(usize::try_from(100 * pause_micros).unwrap());
        let mut file = sample.written(storage.as_ref(), term, 1 << 20).await;
        file.seal().await.unwrap();
        let pause = tokio::time::sleep(Duration::from_micros(pause_micros));
        tokio::select! {
            biased;
            result = file.stage(sample.attr.clone()) => result.unwrap(),
            () = pause => {}
        }
        drop(file);
        let mut file = storage.new_file(term, sample.tx, &sample.path).await.unwrap();
        assert!(file.write(Bytes::from_static(b"abc")).now_or_never().is_some());
        drop(file);
    }
    // What is still being written when its file is dropped goes a little later.
    tokio::time::sleep(Duration::from_millis(100)).await;
    nothing_stays_staged(place).await;
}

pub async fn keep_their_neighbours(place: &dyn Place) {
    let (storage, term) = (place.open().await, term(1));
    storage.begin_term(term).await.unwrap();
    let samples: Vec<_> = (0..40).map(|size| Sample::new(size * 10_000)).collect();
    let publish = samples.iter().map(|sample| sample.clone().published(storage.as_ref(), term));
    futures_util::future::join_all(publish).await;
    for sample in &samples {
        sample.is_whole(storage.as_ref()).await;
    }
    assert_eq!(place.staged().await, Vec::<String>::new());
}
