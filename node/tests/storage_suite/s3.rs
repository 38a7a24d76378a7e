//! A prefix of a bucket, and what only it can be shown to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::TryStreamExt;
use storage_node::model::{AttrFile, OperationType};
use storage_node::storage::s3::{Patience, S3Options, S3Storage};
use storage_node::storage::{Document, SharedStorage, StorageError};
use uuid::Uuid;

use crate::element::replace;
use crate::made::{Make, Place, Sample, read, term};
use crate::scanning::scan;
use crate::stores::{Bucket, Fault, Proxy, bucket, fresh_prefix};

pub struct S3;

/// A prefix.
pub struct Prefix {
    bucket: Bucket,
    client: Client,
    below: String,
}

impl Make for S3 {
    type Place = Prefix;

    async fn place(&self) -> Box<Prefix> {
        let bucket = bucket().await;
        Box::new(Prefix { client: bucket.client(), bucket, below: fresh_prefix() })
    }
}

impl Prefix {
    fn key(&self, path: &str) -> String {
        format!("{}/{path}", self.below)
    }

    /// Opened through a proxy, with little patience.
    async fn through(&self, proxy: &Proxy) -> SharedStorage {
        Arc::new(S3Storage::open(&self.impatient(proxy)).await.unwrap())
    }

    fn impatient(&self, proxy: &Proxy) -> S3Options {
        let options = self.bucket.options(&proxy.endpoint(), &self.below);
        let short = Duration::from_millis(700);
        S3Options { patience: Patience { answer: short, data: short, stall: short, ..Patience::default() }, ..options }
    }

    async fn uploads(&self) -> usize {
        let uploads = self.client.list_multipart_uploads().bucket(&self.bucket.name).prefix(self.key(""));
        uploads.send().await.unwrap().uploads.unwrap_or_default().len()
    }
}

#[async_trait]
impl Place for Prefix {
    async fn open(&self) -> SharedStorage {
        Arc::new(S3Storage::open(&self.bucket.options(&self.bucket.endpoint, &self.below)).await.unwrap())
    }

    async fn staged(&self) -> Vec<String> {
        Vec::new()
    }

    async fn put(&self, path: &str, bytes: &[u8]) {
        let put = self.client.put_object().bucket(&self.bucket.name).key(self.key(path));
        put.body(bytes.to_vec().into()).send().await.unwrap();
    }

    async fn get(&self, path: &str) -> Option<Vec<u8>> {
        let got = self.client.get_object().bucket(&self.bucket.name).key(self.key(path)).send().await.ok()?;
        Some(got.body.collect().await.unwrap().to_vec())
    }
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused_and_told_why() {
    let place = S3.place().await;
    let proxy = Proxy::start(&place.bucket).await;
    proxy.rule("PUT", ".element/conditions-", Fault::Unconditional, usize::MAX);
    let refused = S3Storage::open(&place.impatient(&proxy)).await.err().unwrap();
    assert!(matches!(refused, StorageError::Refused { .. }), "{refused:?}");
    let said = refused.to_string();
    assert!(said.contains("does not honour conditional writes") && said.contains("allow_unconditional"), "{said}");
    assert!(proxy.hits() > 8);
    // Nothing of the proof stays.
    let left = place.client.list_objects_v2().bucket(&place.bucket.name).prefix(place.key("")).send().await.unwrap();
    assert!(left.contents.unwrap_or_default().is_empty());

    let options = S3Options { allow_unconditional: true, ..place.impatient(&proxy) };
    let storage = S3Storage::open(&options).await.unwrap();
    let sample = Sample::new(10).published(&storage, term(1)).await;
    sample.is_whole(&storage).await;
}

#[tokio::test]
async fn what_cannot_be_reached_or_read_is_named() {
    let place = S3.place().await;
    let good = place.bucket.options(&place.bucket.endpoint, &place.below);
    let nobody = S3Options { endpoint: Some("http://127.0.0.1:9".to_owned()), ..good.clone() };
    assert!(matches!(S3Storage::open(&nobody).await, Err(StorageError::Io { .. })));
    let missing =
        S3Options { credential_files: Some(("/nowhere/id".into(), "/nowhere/secret".into())), ..good.clone() };
    let said = S3Storage::open(&missing).await.err().unwrap().to_string();
    assert!(said.contains("/nowhere/id"), "{said}");
    let not_pem = tempfile::NamedTempFile::new().unwrap();
    let missing = S3Options { ca_file: Some(not_pem.path().to_owned()), ..good };
    let said = S3Storage::open(&missing).await.err().unwrap().to_string();
    assert!(said.contains("no PEM certificate"), "{said}");
}

/// Large files go in parts; what is dropped half-way is paid for no longer than until it is settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_files_come_whole_in_parts_and_leave_none() {
    let place = S3.place().await;
    let (storage, term) = (place.open().await, term(1));
    for size in [8 << 20, (8 << 20) + 1, 27 << 20] {
        let sample = Sample::new(size).published(storage.as_ref(), term).await;
        sample.is_whole(storage.as_ref()).await;
    }
    assert_eq!(place.uploads().await, 0);
    let sample = Sample::new(13 << 20);
    let half = sample.written(storage.as_ref(), term, 1 << 20).await;
    drop(half);
    assert_eq!(place.uploads().await, 1);
    sample.undone(storage.as_ref(), term).await;
    assert_eq!(place.uploads().await, 0);
    // Nobody's row names it: the next term ends it.
    drop(Sample::new(13 << 20).written(storage.as_ref(), term, 1 << 20).await);
    assert_eq!(place.uploads().await, 1);
    place.open().await.empty_trash().await.unwrap();
    assert_eq!(place.uploads().await, 0);
}

/// Elements in one bucket do not see each other.
#[tokio::test]
async fn a_prefix_is_a_world_of_its_own() {
    let (one, two) = (S3.place().await, S3.place().await);
    let (first, second) = (one.open().await, two.open().await);
    let sample = Sample::new(10).published(first.as_ref(), term(1)).await;
    sample.is_absent(second.as_ref()).await;
    assert!(!second.holds_files().await.unwrap());
    assert!(scan(second.as_ref()).await.is_empty());
}

/// A put that timed out and happened all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_came_late_has_happened() {
    let place = S3.place().await;
    let proxy = Proxy::start(&place.bucket).await;
    let (storage, term) = (place.through(&proxy).await, term(1));
    for fault in [Fault::LoseAnswer, Fault::Late(Duration::from_millis(900))] {
        let sample = Sample::new(1000);
        let file = sample.staged(storage.as_ref(), term).await;
        proxy.rule("PUT", ".attr.json", fault, 1);
        let hits = proxy.hits();
        file.publish().await.unwrap();
        assert_eq!(proxy.hits(), hits + 1);
        sample.is_whole(storage.as_ref()).await;

        let before = storage.attr(&sample.path).await.unwrap().unwrap();
        let (tx, next) = (Uuid::new_v4(), Bytes::from_static(b"{\"next\":1}"));
        storage.stage_attr(term, tx, next.clone()).await.unwrap();
        proxy.rule("PUT", ".attr.json", fault, 1);
        storage.publish_attr(term, tx, &before).await.unwrap();
        assert_eq!(storage.attr(&sample.path).await.unwrap().unwrap().bytes, next);
    }
}

/// All tries of a put go unanswered: it is not called failed, and settling makes sure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_that_nobody_answers_is_open_until_it_is_made_impossible() {
    let place = S3.place().await;
    let proxy = Proxy::start(&place.bucket).await;
    let (storage, term) = (place.through(&proxy).await, term(1));
    let sample = Sample::new(1000);
    let file = sample.staged(storage.as_ref(), term).await;
    // The store hears of it only when nobody asks any more.
    proxy.rule("PUT", ".attr.json", Fault::Late(Duration::from_secs(6)), 4);
    let open = file.publish().await.unwrap_err();
    assert!(open.committed, "{open:?}");
    proxy.clear();
    sample.undone(storage.as_ref(), term).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    sample.is_not_shown(storage.as_ref()).await;
    let tombstone = place.get(&sample.path.attr_path()).await.unwrap();
    assert!(matches!(AttrFile::parse(&tombstone), Ok(AttrFile::Tombstone(_))));
    assert!(scan(storage.as_ref()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complete_whose_answer_is_lost_has_happened() {
    let place = S3.place().await;
    let proxy = Proxy::start(&place.bucket).await;
    let (storage, term) = (place.through(&proxy).await, term(1));
    proxy.rule("POST", "uploadId=", Fault::LoseAnswer, 1);
    let sample = Sample::new(11 << 20).published(storage.as_ref(), term).await;
    assert_eq!(proxy.hits(), 1);
    sample.is_whole(storage.as_ref()).await;
    assert_eq!(place.uploads().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_breaks_off_is_read_on() {
    let place = S3.place().await;
    let proxy = Proxy::start(&place.bucket).await;
    let (storage, term) = (place.through(&proxy).await, term(1));
    let sample = Sample::new(3_000_000).published(storage.as_ref(), term).await;
    let name = sample.id.simple().to_string();
    for cut in [0, 100, 900, 400_000] {
        proxy.rule("GET", &name, Fault::CutAnswer(cut), 1);
    }
    assert!(read(storage.as_ref(), &sample.path, 0..3_000_000).await == sample.data);
    assert_eq!(proxy.hits(), 4);
    // Not for ever.
    proxy.rule("GET", &name, Fault::CutAnswer(100_000), usize::MAX);
    let started = Instant::now();
    let stream = storage.read(&sample.path, 0..3_000_000).await.unwrap();
    assert!(stream.try_collect::<Vec<_>>().await.is_err());
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_busy_is_asked_again() {
    let place = S3.place().await;
    let proxy = Proxy::start(&place.bucket).await;
    let (storage, term) = (place.through(&proxy).await, term(1));
    for method in ["PUT", "GET", "HEAD"] {
        proxy.rule(method, "a%20paper", Fault::Unavailable, 2);
        proxy.rule(method, "a paper", Fault::Unavailable, 2);
    }
    let sample = Sample::new(1000).published(storage.as_ref(), term).await;
    sample.is_whole(storage.as_ref()).await;
    assert!(proxy.hits() >= 3);
}

/// A master that slept through its successor's takeover changes nothing: not by a create, an update or `element.json`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_frozen_master_still_sends_fails() {
    let place = S3.place().await;
    let (old, first, new, second) = (place.open().await, term(1), place.open().await, term(2));
    replace(old.as_ref(), Document::Element, "1", "{\"epoch\":1}").await.unwrap();
    let kept = Sample::new(10).published(old.as_ref(), first).await;
    let before = old.attr(&kept.path).await.unwrap().unwrap();
    let late = Sample::new(1000);
    let file = late.staged(old.as_ref(), first).await;
    let update = Uuid::new_v4();
    let next = Bytes::from(format!("{{\"tx\":\"{update}\",\"epoch\":1}}"));
    old.stage_attr(first, update, next).await.unwrap();

    let report = || Document::Report("step-1".to_owned());
    let prepared = [old.prepare_document(Document::Element, "1").await, old.prepare_document(report(), "1").await];
    replace(new.as_ref(), Document::Element, "2", "{\"epoch\":2}").await.unwrap();
    replace(new.as_ref(), report(), "2", "{\"by\":2}").await.unwrap();
    late.undone(new.as_ref(), second).await;
    new.make_impossible(second, OperationType::FileUpdate, update, &kept.path).await.unwrap();

    let over = file.publish().await.unwrap_err();
    assert!(!over.committed && matches!(over.error, StorageError::TermOver { .. }), "{over:?}");
    let over = old.publish_attr(first, update, &before).await.unwrap_err();
    assert!(!over.committed && matches!(over.error, StorageError::TermOver { .. }), "{over:?}");
    // To have read its successor's version since does not help.
    assert_eq!(old.element_file().await.unwrap().unwrap(), "{\"epoch\":2}");
    for prepared in prepared {
        let refused = old.replace_document(prepared.unwrap(), Bytes::from_static(b"{\"epoch\":1,\"x\":1}")).await;
        assert!(matches!(refused, Err(StorageError::Conflict { .. })), "{refused:?}");
    }
    late.is_not_shown(new.as_ref()).await;
    assert_eq!(new.element_file().await.unwrap().unwrap(), "{\"epoch\":2}");
    assert_eq!(place.get(".element/transitions/step-1.json").await.unwrap(), b"{\"by\":2}");
}

/// A frozen master's multipart upload cannot be completed once its row is settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_settled_row_can_not_be_completed() {
    let place = S3.place().await;
    let sample = Sample::new(10);
    let key = place.key(sample.path.as_str());
    let begin = place.client.create_multipart_upload().bucket(&place.bucket.name).key(&key).send().await.unwrap();
    let upload = begin.upload_id.unwrap();
    let part = place.client.upload_part().bucket(&place.bucket.name).key(&key).upload_id(&upload).part_number(1);
    let part = part.body(Bytes::from_static(b"late").into()).send().await.unwrap();
    sample.undone(place.open().await.as_ref(), term(2)).await;
    let parts = CompletedPart::builder().part_number(1).set_e_tag(part.e_tag).build();
    let parts = CompletedMultipartUpload::builder().parts(parts).build();
    let complete = place.client.complete_multipart_upload().bucket(&place.bucket.name).key(&key).upload_id(&upload);
    assert!(complete.multipart_upload(parts).send().await.is_err());
    assert_eq!(place.get(sample.path.as_str()).await, None);
}

/// A deleted file's attr gives way to a tombstone, which stays and is no file to anyone.
#[tokio::test]
async fn a_purged_file_leaves_a_tombstone() {
    let place = S3.place().await;
    let (storage, term) = (place.open().await, term(3));
    let sample = Sample::new(10).published(storage.as_ref(), term).await;
    // What no attr calls deleted is not removed.
    assert!(matches!(storage.purge(term, &sample.path).await, Err(StorageError::Conflict { .. })));
    sample.is_whole(storage.as_ref()).await;
    place.put(&sample.path.attr_path(), &sample.deleted()).await;
    for _ in 0..2 {
        storage.purge(term, &sample.path).await.unwrap();
        sample.is_not_shown(storage.as_ref()).await;
        assert_eq!(place.get(sample.path.as_str()).await, None);
        let left = place.get(&sample.path.attr_path()).await.unwrap();
        assert!(matches!(AttrFile::parse(&left), Ok(AttrFile::Tombstone(_))));
    }
    assert!(scan(storage.as_ref()).await.is_empty());
}

#[tokio::test]
async fn orphans_are_set_aside_whole() {
    let place = S3.place().await;
    let (storage, sample) = (place.open().await, Sample::new(1000));
    place.put(sample.path.as_str(), &sample.data).await;
    assert!(storage.quarantine(&sample.path).await.unwrap());
    assert!(!storage.quarantine(&sample.path).await.unwrap());
    assert_eq!(place.get(sample.path.as_str()).await, None);
    assert_eq!(place.get(&format!(".quarantine/{}", sample.path)).await.unwrap(), sample.data);
    assert!(scan(storage.as_ref()).await.is_empty());
}

/// A rotated Secret needs no restart: the files are read when the credentials are asked for again.
#[tokio::test]
async fn wrong_credentials_are_refused_by_the_store() {
    let place = S3.place().await;
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = (folder.path().join("id"), folder.path().join("secret"));
    std::fs::write(&id, "somebody\n").unwrap();
    std::fs::write(&secret, "else\n").unwrap();
    let options = place.bucket.options(&place.bucket.endpoint, &place.below);
    let options = S3Options { credential_files: Some((id, secret)), ..options };
    let said = S3Storage::open(&options).await.err().unwrap().to_string();
    assert!(said.contains("the store answered 40") && !said.contains("else"), "{said}");
}

/// A bucket that is gone says nothing about a file: it must not look like one that was never there.
#[tokio::test]
async fn a_bucket_that_is_gone_is_not_a_file_that_is_gone() {
    let place = S3.place().await;
    let proxy = Proxy::start(&place.bucket).await;
    let storage = place.through(&proxy).await;
    proxy.rule("GET", ".attr.json", Fault::NoSuchBucket, usize::MAX);
    assert!(storage.attr(&Sample::new(0).path).await.is_err());
}
