//! An attr that comes at the last moment: after it was looked for, before it is made impossible.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use storage_node::model::{Epoch, FileIds, FileStatus, OperationType, StoragePath, Term, TransactionId, WalStatus};
use storage_node::settling::Settler;
use storage_node::storage::{
    AttrOnDisk, DataOrder, DataStat, DataStream, Document, Found, NewFile, Prepared, PublishError, SharedStorage,
    Space, Storage, StorageResult,
};
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use crate::by_hand::{At, DATA, Interrupted};
use crate::ground::Ground;
use crate::node::metrics;

/// A storage in which something happens right before an operation's staged attr is taken away.
struct Late {
    inner: SharedStorage,
    before_unstage: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[async_trait]
impl Storage for Late {
    fn order(&self) -> DataOrder {
        self.inner.order()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    async fn element_file(&self) -> StorageResult<Option<Bytes>> {
        self.inner.element_file().await
    }

    async fn prepare_document(&self, document: Document, folder: &str) -> StorageResult<Prepared> {
        self.inner.prepare_document(document, folder).await
    }

    async fn replace_document(&self, prepared: Prepared, bytes: Bytes) -> StorageResult<()> {
        self.inner.replace_document(prepared, bytes).await
    }

    async fn holds_files(&self) -> StorageResult<bool> {
        self.inner.holds_files().await
    }

    async fn highest_epoch(&self) -> StorageResult<Option<Epoch>> {
        self.inner.highest_epoch().await
    }

    async fn begin_term(&self, term: Term) -> StorageResult<()> {
        self.inner.begin_term(term).await
    }

    async fn empty_trash(&self) -> StorageResult<()> {
        self.inner.empty_trash().await
    }

    async fn end_term(&self, term: Term) -> StorageResult<()> {
        self.inner.end_term(term).await
    }

    async fn new_file(&self, term: Term, tx: TransactionId, path: &StoragePath) -> StorageResult<Box<dyn NewFile>> {
        self.inner.new_file(term, tx, path).await
    }

    async fn stage_attr(&self, term: Term, tx: TransactionId, attr: Bytes) -> StorageResult<()> {
        self.inner.stage_attr(term, tx, attr).await
    }

    async fn publish_attr(&self, term: Term, tx: TransactionId, before: &AttrOnDisk) -> Result<(), PublishError> {
        self.inner.publish_attr(term, tx, before).await
    }

    async fn unstage(&self, term: Term, tx: TransactionId) -> StorageResult<()> {
        // What the operation still had under way comes now, at the last moment at which it can.
        if let Some(last) = self.before_unstage.lock().take() {
            last();
        }
        self.inner.unstage(term, tx).await
    }

    async fn attr(&self, path: &StoragePath) -> StorageResult<Option<AttrOnDisk>> {
        self.inner.attr(path).await
    }

    async fn find_attr(&self, file_id: Uuid) -> StorageResult<Option<AttrOnDisk>> {
        self.inner.find_attr(file_id).await
    }

    async fn data_stat(&self, path: &StoragePath) -> StorageResult<Option<DataStat>> {
        self.inner.data_stat(path).await
    }

    async fn read(&self, path: &StoragePath, range: Range<u64>) -> StorageResult<DataStream> {
        self.inner.read(path, range).await
    }

    async fn make_durable(&self, path: &StoragePath) -> StorageResult<()> {
        self.inner.make_durable(path).await
    }

    async fn finish_data(&self, tx: TransactionId, path: &StoragePath, size: Option<u64>) -> StorageResult<bool> {
        self.inner.finish_data(tx, path, size).await
    }

    async fn remove_data(&self, path: &StoragePath) -> StorageResult<()> {
        self.inner.remove_data(path).await
    }

    async fn make_impossible(
        &self,
        term: Term,
        operation: OperationType,
        tx: TransactionId,
        path: &StoragePath,
    ) -> StorageResult<()> {
        // What the operation still had under way comes now, at the last moment at which it can.
        if let Some(last) = self.before_unstage.lock().take() {
            last();
        }
        self.inner.make_impossible(term, operation, tx, path).await
    }

    async fn purge(&self, term: Term, path: &StoragePath) -> StorageResult<()> {
        self.inner.purge(term, path).await
    }

    async fn quarantine(&self, path: &StoragePath) -> StorageResult<bool> {
        self.inner.quarantine(path).await
    }

    async fn staging_is_empty(&self, term: Term) -> StorageResult<bool> {
        self.inner.staging_is_empty(term).await
    }

    async fn scan(&self, found: Sender<Vec<Found>>) -> StorageResult<()> {
        self.inner.scan(found).await
    }

    async fn space(&self) -> StorageResult<Option<Space>> {
        self.inner.space().await
    }

    async fn probe(&self, write: bool) -> StorageResult<()> {
        self.inner.probe(write).await
    }

    fn broken(&self) -> Option<String> {
        self.inner.broken()
    }

    fn folder_syncs(&self) -> u64 {
        self.inner.folder_syncs()
    }
}

/// Undo is decided only once the attr can not come any more: one that came before that is a file that is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attr_that_came_just_before_it_was_made_impossible_counts() {
    for update in [false, true] {
        let ground = Ground::new();
        let node = ground.start().await;
        let before = node.uploaded(DATA).await;
        let operation = if update {
            Interrupted::change(&before, FileStatus::Active)
        } else {
            Interrupted::create(&before, FileIds::default().next(), node.term())
        };
        operation.announce(&node).await;
        operation.put(&ground, node.term(), if update { At::Nowhere } else { At::Placed }, At::Staged);
        let staged = ground.at(&format!(".staging/{}/{}.attr", node.term(), operation.attr.tx));
        let place = ground.at(&operation.attr.storage_path.attr_path());
        let comes: Box<dyn FnOnce() + Send> = Box::new(move || std::fs::rename(staged, place).unwrap());
        let storage = Late { inner: Arc::clone(&node.storage), before_unstage: Mutex::new(Some(comes)) };
        let (live, locks) = (Arc::clone(&node.live), Arc::clone(&node.locks));
        let settler = Settler::new(Arc::new(storage), Arc::clone(&node.catalog), live, locks, metrics());
        let round = settler.round(node.term()).await.unwrap();
        assert_eq!((round.redone, round.undone), (1, 0), "update {update}");
        assert_eq!(node.status(operation.attr.tx).await, Some(WalStatus::Committed));
        let row = node.files.metadata(operation.attr.file_id).await.unwrap();
        assert_eq!(row.attr, operation.attr);
        node.is_whole(&row, DATA).await;
        node.is_clean().await;
    }
}
