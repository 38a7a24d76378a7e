//! What the behaviours are given: a place that storages are opened on, and files to put there.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use storage_node::model::{FileIds, Nonce, OperationType, StoragePath, Term, storage_filename};
use storage_node::storage::{DataOrder, NewFile, SharedStorage, Storage};
use uuid::Uuid;

/// A make of storage.
pub trait Make {
    type Place: Place;

    /// A new, empty place.
    fn place(&self) -> impl Future<Output = Box<Self::Place>> + Send;
}

/// A place that a storage is opened on: once for each process that uses it, and a back door for the test.
#[async_trait]
pub trait Place: Send + Sync {
    /// The storage as one more process sees it.
    async fn open(&self) -> SharedStorage;

    /// What waits in the places of terms, the trash left out.
    async fn staged(&self) -> Vec<String>;

    /// Puts bytes at a path below the root, past the storage.
    async fn put(&self, path: &str, bytes: &[u8]);

    /// The bytes at a path, past the storage.
    async fn get(&self, path: &str) -> Option<Vec<u8>>;
}

pub fn term(epoch: u64) -> Term {
    Term { epoch, nonce: Nonce::fresh() }
}

/// A file that a test puts somewhere.
#[derive(Clone)]
pub struct Sample {
    pub id: Uuid,
    pub tx: Uuid,
    pub path: StoragePath,
    pub data: Vec<u8>,
    pub attr: Bytes,
}

impl Sample {
    pub fn new(size: usize) -> Self {
        let id = FileIds::default().next();
        let tx = Uuid::new_v4();
        let data = (0..size).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect();
        let path = storage_filename("a paper.txt", "u", id).storage_path;
        Self { id, tx, path, data, attr: format!("{{\"tx\":\"{tx}\"}}").into() }
    }

    /// The attr of the same file, deleted.
    pub fn deleted(&self) -> Vec<u8> {
        let attr = serde_json::json!({
            "schema_version": 1, "file_id": self.id, "original_filename": "a paper.txt",
            "storage_filename": self.path.file_name(), "storage_path": self.path, "file_size": self.data.len(),
            "content_type": "text/plain", "checksum": self.checksum(), "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z", "created_by_id": "u", "created_by_username": "u", "revision": 2,
            "status": "deleted", "epoch": 1, "tx": self.tx, "write_id": Uuid::new_v4(),
        });
        attr.to_string().into_bytes()
    }

    pub fn checksum(&self) -> String {
        hex::encode(Sha256::digest(&self.data))
    }

    /// Begun and its data written, in pieces of `piece` bytes.
    pub async fn written(&self, storage: &dyn Storage, term: Term, piece: usize) -> Box<dyn NewFile> {
        let mut file = storage.new_file(term, self.tx, &self.path).await.unwrap();
        for piece in self.data.chunks(piece) {
            file.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        file
    }

    /// Ready to be published.
    pub async fn staged(&self, storage: &dyn Storage, term: Term) -> Box<dyn NewFile> {
        let mut file = self.written(storage, term, 50_000).await;
        file.seal().await.unwrap();
        file.stage(self.attr.clone()).await.unwrap();
        file
    }

    pub async fn published(self, storage: &dyn Storage, term: Term) -> Self {
        self.staged(storage, term).await.publish().await.unwrap();
        self
    }

    pub async fn is_whole(&self, storage: &dyn Storage) {
        assert_eq!(storage.attr(&self.path).await.unwrap().unwrap().bytes, self.attr);
        assert_eq!(storage.data_stat(&self.path).await.unwrap().unwrap().size, self.data.len() as u64);
        assert!(read(storage, &self.path, 0..self.data.len() as u64).await == self.data, "other bytes than were sent");
    }

    /// No attr says that it is there, and no data that waited for its attr is in sight.
    pub async fn is_absent(&self, storage: &dyn Storage) {
        self.is_not_shown(storage).await;
        if storage.order() == DataOrder::BeforeIntent {
            assert_eq!(storage.data_stat(&self.path).await.unwrap(), None);
        }
    }

    /// No attr says that it is there: so it does not exist, whatever lies at its data's key.
    pub async fn is_not_shown(&self, storage: &dyn Storage) {
        assert_eq!(storage.attr(&self.path).await.unwrap(), None);
        assert_eq!(storage.find_attr(self.id).await.unwrap(), None);
    }

    /// Settles it as a create that did not happen.
    pub async fn undone(&self, storage: &dyn Storage, term: Term) {
        storage.make_impossible(term, OperationType::FileCreate, self.tx, &self.path).await.unwrap();
        storage.remove_data(&self.path).await.unwrap();
        self.is_not_shown(storage).await;
        assert_eq!(storage.data_stat(&self.path).await.unwrap(), None);
    }
}

pub async fn read(storage: &dyn Storage, path: &StoragePath, range: std::ops::Range<u64>) -> Vec<u8> {
    let pieces: Vec<Bytes> = storage.read(path, range).await.unwrap().try_collect().await.unwrap();
    pieces.concat()
}

/// Waits until nothing is staged: what is dropped may still be on its way out.
pub async fn nothing_stays_staged(place: &dyn Place) {
    let mut staged = place.staged().await;
    for _ in 0..200 {
        if staged.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        staged = place.staged().await;
    }
    panic!("still staged: {staged:?}");
}
