//! How the store is reached: whom we trust, who we are there, how often we ask.

use std::time::Duration;

use storage_node::storage::s3::{Patience, S3Options, S3Storage};
use storage_node::storage::{Storage, StorageError};
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::made::{Sample, term};
use crate::stores::{Fault, Proxy, bucket, encrypted, fresh_prefix};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_store_whose_authority_is_trusted_is_spoken_to() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let (certificate, key) = right.certificate("localhost");
    let bucket = encrypted(&certificate, &key).await;
    let options = bucket.options(&bucket.endpoint, &fresh_prefix());
    let with = |authority: Option<&Authority>| S3Options {
        ca_file: authority.map(Authority::ca_file),
        patience: Patience { tries: 1, ..Patience::default() },
        ..options.clone()
    };
    for (why, authority) in [("another authority", Some(&wrong)), ("the system's authorities", None)] {
        let refused = S3Storage::open(&with(authority)).await.err();
        let refused = refused.unwrap_or_else(|| panic!("{why}: it is spoken to"));
        assert!(matches!(refused, StorageError::Io { .. }), "{why}: {refused:?}");
        let said = refused.to_string();
        assert!(said.contains("ertificate"), "{why}: {said}");
    }
    // Another name of the same store, which its certificate is not made for.
    let elsewhere =
        S3Options { endpoint: Some(bucket.endpoint.replace("localhost", "127.0.0.1")), ..with(Some(&right)) };
    let refused = S3Storage::open(&elsewhere).await.err().unwrap();
    assert!(refused.to_string().contains("ertificate"), "{refused}");

    let storage = S3Storage::open(&with(Some(&right))).await.unwrap();
    // Small and in parts: inside TLS neither is hashed for its signature.
    for size in [10, 9 << 20] {
        let sample = Sample::new(size).published(&storage, term(1)).await;
        sample.is_whole(&storage).await;
    }
}

/// A rotated Secret needs no restart: its files are read again while the node runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_change_are_read_again() {
    let bucket = bucket().await;
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = (folder.path().join("id"), folder.path().join("secret"));
    let write = |(right_id, right_secret): (&str, &str)| {
        std::fs::write(&id, format!("{right_id}\n")).unwrap();
        std::fs::write(&secret, format!("{right_secret}\n")).unwrap();
    };
    write(bucket.keys());
    let options = S3Options {
        credential_files: Some((id.clone(), secret.clone())),
        patience: Patience { credentials: Duration::from_millis(500), tries: 1, ..Patience::default() },
        ..bucket.options(&bucket.endpoint, &fresh_prefix())
    };
    let storage = S3Storage::open(&options).await.unwrap();
    let sample = Sample::new(10).published(&storage, term(1)).await;
    let answers = async |wanted: bool| {
        for _ in 0..300 {
            let answered = storage.attr(&sample.path).await;
            if answered.is_ok() == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the files are not read again");
    };
    for _ in 0..2 {
        write(("nobody", "knows"));
        answers(false).await;
        write(bucket.keys());
        answers(true).await;
    }
    sample.is_whole(&storage).await;
}

/// A store in trouble is not asked four times as much by everyone: tries beyond the first have a budget for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tries_have_a_budget() {
    const ASKED: usize = 400;
    let bucket = bucket().await;
    let proxy = Proxy::start(&bucket).await;
    let options = bucket.options(&proxy.endpoint(), &fresh_prefix());
    let storage = std::sync::Arc::new(S3Storage::open(&options).await.unwrap());
    proxy.rule("HEAD", "/", Fault::Unavailable, usize::MAX);
    let mut asking = JoinSet::new();
    for _ in 0..ASKED {
        let storage = storage.clone();
        asking.spawn(async move {
            let path = Sample::new(0).path;
            storage.data_stat(&path).await.is_err()
        });
    }
    while let Some(failed) = asking.join_next().await {
        assert!(failed.unwrap());
    }
    let hits = proxy.hits();
    assert!(hits > ASKED, "nothing is asked again");
    assert!(hits < ASKED * 2, "{hits} requests for {ASKED} questions: no budget");
    // It comes again with time, whether the store finds what it is asked for or not.
    proxy.clear();
    let path = Sample::new(0).path;
    for _ in 0..300 {
        proxy.rule("HEAD", "/", Fault::Unavailable, 1);
        if storage.data_stat(&path).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("there is no budget again");
}
