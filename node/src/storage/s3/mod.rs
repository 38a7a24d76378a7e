//! Files in an S3 bucket: data and attr objects below a prefix.
//!
//! Nothing is staged: data goes to its final key once its intent is durable, the conditional put of the attr is the
//! commit point. A term is not begun by removing anything: what a stalled master may still send is made to fail by
//! tombstones and rewrites while its transactions are settled.

mod attrs;
mod buffers;
mod claim;
mod client;
mod crc;
mod credentials;
mod documents;
mod error;
mod listing;
mod new_file;
mod proving;
mod quarantine;
mod reading;
mod scanning;
mod store;
mod uploading;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use self::buffers::Buffers;
use self::claim::ClaimObject;
pub use self::client::{Patience, S3Options};
use self::listing::Listings;
use self::new_file::{MEMORY_MIB, NewS3File};
use self::store::Store;
use super::{
    AttrOnDisk, ClaimPlace, DataOrder, DataStat, DataStream, Document, Found, NewFile, Prepared, PublishError, Space,
    Storage, StorageError, StorageResult,
};
use crate::failpoint;
use crate::model::{Epoch, OperationType, StoragePath, Term, TransactionId};

/// A prefix of a bucket.
pub struct S3Storage {
    store: Arc<Store>,
    listings: Arc<Listings>,
    /// Memory for data on its way.
    buffers: Arc<Buffers>,
    /// Next revisions that wait for their intent.
    staged: Mutex<HashMap<TransactionId, Bytes>>,
}

impl S3Storage {
    /// Connects to the store and proves that it honours conditional writes.
    ///
    /// # Errors
    /// [`StorageError::Refused`] when it does not; [`StorageError::Io`] when it, its authorities or the credentials
    /// cannot be reached or read.
    pub async fn open(options: &S3Options) -> StorageResult<Self> {
        let store = Store::connect(options).await?;
        store.prove_conditions(options.allow_unconditional).await?;
        Ok(Self {
            store: Arc::new(store),
            listings: Arc::new(Listings::new()),
            buffers: Buffers::new(MEMORY_MIB),
            staged: Mutex::default(),
        })
    }
}

impl S3Storage {
    /// Where processes say that they serve this prefix.
    pub fn claim_place(&self) -> Arc<dyn ClaimPlace> {
        Arc::new(ClaimObject(Arc::clone(&self.store)))
    }
}

#[async_trait]
impl Storage for S3Storage {
    fn order(&self) -> DataOrder {
        DataOrder::AfterIntent
    }

    fn place(&self) -> String {
        format!("s3://{}/{}", self.store.bucket, self.store.prefix)
    }

    async fn element_file(&self) -> StorageResult<Option<Bytes>> {
        documents::read_element_file(&self.store).await
    }

    async fn prepare_document(&self, document: Document, folder: &str) -> StorageResult<Prepared> {
        documents::prepare(&self.store, document, folder).await
    }

    async fn replace_document(&self, prepared: Prepared, bytes: Bytes) -> StorageResult<()> {
        documents::replace(&self.store, &prepared, bytes).await
    }

    async fn holds_files(&self) -> StorageResult<bool> {
        scanning::holds_files(&self.store).await
    }

    /// Nothing here is named by terms: `element.json` and the catalog tell of them.
    async fn highest_epoch(&self) -> StorageResult<Option<Epoch>> {
        Ok(None)
    }

    async fn begin_term(&self, _term: Term) -> StorageResult<()> {
        Ok(())
    }

    /// Ends the multipart uploads of older terms: none of their transactions is open any more, and no own one begun.
    async fn empty_trash(&self) -> StorageResult<()> {
        let aborted = self.store.abort_uploads(None).await;
        let aborted = aborted.map_err(|failure| failure.at("end unfinished uploads in", self.place()))?;
        if aborted > 0 {
            tracing::info!(aborted, "unfinished multipart uploads of earlier terms were ended");
        }
        Ok(())
    }

    async fn end_term(&self, _term: Term) -> StorageResult<()> {
        Ok(())
    }

    async fn new_file(&self, term: Term, _tx: TransactionId, path: &StoragePath) -> StorageResult<Box<dyn NewFile>> {
        Ok(Box::new(NewS3File::new(&self.store, &self.listings, &self.buffers, term, path.clone())))
    }

    async fn stage_attr(&self, _term: Term, tx: TransactionId, attr: Bytes) -> StorageResult<()> {
        use std::collections::hash_map::Entry;
        match self.staged.lock().entry(tx) {
            Entry::Vacant(entry) => {
                entry.insert(attr);
                Ok(())
            }
            Entry::Occupied(_) => Err(StorageError::Conflict { path: format!("the staged attr of transaction {tx}") }),
        }
    }

    async fn publish_attr(&self, term: Term, tx: TransactionId, before: &AttrOnDisk) -> Result<(), PublishError> {
        let staged = self.staged.lock().remove(&tx);
        let Some(attr) = staged else {
            let error = StorageError::Missing { path: format!("the staged attr of transaction {tx}") };
            return Err(PublishError { committed: false, error });
        };
        attrs::replace(&self.store, term, before, attr).await
    }

    async fn unstage(&self, _term: Term, tx: TransactionId) -> StorageResult<()> {
        self.staged.lock().remove(&tx);
        Ok(())
    }

    async fn make_impossible(
        &self,
        term: Term,
        operation: OperationType,
        tx: TransactionId,
        path: &StoragePath,
    ) -> StorageResult<()> {
        self.unstage(term, tx).await?;
        if operation != OperationType::FileCreate {
            return attrs::forbid_replace(&self.store, term, tx, path).await;
        }
        attrs::forbid_create(&self.store, term, path).await?;
        let aborted = self.store.abort_uploads(Some(path)).await;
        aborted.map(|_| ()).map_err(|failure| failure.at("end the unfinished upload of", path.as_str()))
    }

    async fn attr(&self, path: &StoragePath) -> StorageResult<Option<AttrOnDisk>> {
        attrs::attr(&self.store, path).await
    }

    async fn find_attr(&self, file_id: Uuid) -> StorageResult<Option<AttrOnDisk>> {
        match self.listings.find(&self.store, file_id).await? {
            Some(path) => self.attr(&path).await,
            None => Ok(None),
        }
    }

    async fn data_stat(&self, path: &StoragePath) -> StorageResult<Option<DataStat>> {
        let head = self.store.head(path.as_str()).await;
        let head = head.map_err(|failure| failure.at("look at", path.as_str()))?;
        Ok(head.map(|head| DataStat { size: head.size, modified: head.modified }))
    }

    async fn read(&self, path: &StoragePath, range: Range<u64>) -> StorageResult<DataStream> {
        reading::stream(&self.store, path, range).await
    }

    /// What a store has answered for is durable.
    async fn make_durable(&self, path: &StoragePath) -> StorageResult<()> {
        failpoint::hit("settle.before_make_durable").map_err(|source| StorageError::Io {
            action: "sync",
            path: path.to_string(),
            source,
        })
    }

    /// Data is staged nowhere.
    async fn finish_data(&self, _tx: TransactionId, _path: &StoragePath, _size: Option<u64>) -> StorageResult<bool> {
        Ok(false)
    }

    async fn remove_data(&self, path: &StoragePath) -> StorageResult<()> {
        let injected = |source| StorageError::Io { action: "remove", path: path.to_string(), source };
        failpoint::hit("settle.before_remove_data").map_err(injected)?;
        self.store.delete(path.as_str()).await.map_err(|failure| failure.at("remove", path.as_str()))
    }

    async fn purge(&self, term: Term, path: &StoragePath) -> StorageResult<()> {
        if !attrs::may_purge(&self.store, path).await? {
            return Err(StorageError::Conflict { path: path.attr_path() });
        }
        // The attr is what says that the file is deleted: it outlives the data, whatever comes between.
        self.store.delete(path.as_str()).await.map_err(|failure| failure.at("remove", path.as_str()))?;
        let injected = |source| StorageError::Io { action: "remove", path: path.to_string(), source };
        failpoint::hit("gc.after_remove_data").map_err(injected)?;
        attrs::bury(&self.store, term, path).await
    }

    async fn quarantine(&self, path: &StoragePath) -> StorageResult<bool> {
        quarantine::set_aside(&self.store, path).await
    }

    async fn staging_is_empty(&self, _term: Term) -> StorageResult<bool> {
        Ok(self.staged.lock().is_empty())
    }

    async fn scan(&self, found: Sender<Vec<Found>>) -> StorageResult<()> {
        scanning::scan(&self.store, &found).await
    }

    async fn space(&self) -> StorageResult<Option<Space>> {
        Ok(None)
    }

    async fn probe(&self, write: bool) -> StorageResult<()> {
        if write {
            // One object, written again and again: nothing to clear away after a kill.
            let path = ".element/probe";
            return self.store.put(path, Bytes::from_static(b"\n")).await.map_err(|failure| failure.at("write", path));
        }
        documents::look(&self.store).await
    }

    fn broken(&self) -> Option<String> {
        None
    }

    fn folder_syncs(&self) -> u64 {
        0
    }
}
