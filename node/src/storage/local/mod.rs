//! Files on a local volume: a folder on a disk, or a network file system with working renames and locks.

mod disk;
mod documents;
mod layout;
mod new_file;
mod reading;
mod scanning;
mod terms;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use uuid::Uuid;

use self::disk::Disk;
use self::new_file::NewLocalFile;
use self::reading::Listings;
use super::document::Stands;
use super::{
    AttrOnDisk, DataOrder, DataStat, DataStream, Document, Found, NewFile, Prepared, PublishError, Space, Storage,
    StorageError, StorageResult,
};
use crate::failpoint;
use crate::model::{Epoch, OperationType, StoragePath, Term, TransactionId};

/// A local volume.
pub struct LocalStorage {
    disk: Arc<Disk>,
    listings: Arc<Listings>,
    /// The folder of the lock was not there before this process.
    lock_made: AtomicBool,
}

impl LocalStorage {
    /// Takes the folder `root` as a volume. It has to be there: a missing folder is more likely a missing mount than a
    /// new volume.
    pub fn open(root: &Path) -> StorageResult<Self> {
        let disk = Disk::new(root);
        let meta = std::fs::metadata(root).map_err(|source| disk.error("open folder", root, source))?;
        if !meta.is_dir() {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(disk.error("open folder", root, source));
        }
        Ok(Self { disk: Arc::new(disk), listings: Arc::new(Listings::new()), lock_made: AtomicBool::new(false) })
    }

    /// Where the file is that the process serving this volume locks. Its folder is made if need be, and removed again by
    /// [`unmake_lock`](Self::unmake_lock) if the volume turns out to be another's.
    pub fn lock_path(&self) -> StorageResult<PathBuf> {
        let folder = self.disk.layout.element();
        self.lock_made.store(!folder.exists(), Ordering::Relaxed);
        std::fs::create_dir_all(&folder).map_err(|source| self.disk.error("make folder", &folder, source))?;
        Ok(self.disk.layout.lock())
    }

    /// Leaves a volume that was refused as it was found: an empty mount point must stay one.
    fn unmake_lock(&self) {
        if self.lock_made.load(Ordering::Relaxed) {
            let removed = std::fs::remove_file(self.disk.layout.lock())
                .and_then(|()| std::fs::remove_dir(self.disk.layout.element()));
            if let Err(error) = removed {
                tracing::warn!(%error, "the lock made in a volume that was refused could not be removed");
            }
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Disk>) -> StorageResult<T> + Send + 'static,
    ) -> StorageResult<T> {
        let disk = Arc::clone(&self.disk);
        blocking(move || work(&disk)).await
    }
}

/// Runs system calls that block on a thread made for that. One hop for a whole operation.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> StorageResult<T> + Send + 'static) -> StorageResult<T> {
    join(tokio::task::spawn_blocking(work)).await?
}

async fn join<T>(handle: JoinHandle<T>) -> StorageResult<T> {
    handle.await.map_err(|error| StorageError::Io {
        action: "finish work on",
        path: "the volume".to_owned(),
        source: io::Error::other(error),
    })
}

#[async_trait]
impl Storage for LocalStorage {
    fn order(&self) -> DataOrder {
        DataOrder::BeforeIntent
    }

    fn place(&self) -> String {
        self.disk.layout.root().display().to_string()
    }

    fn refused(&self) {
        self.unmake_lock();
    }

    async fn element_file(&self) -> StorageResult<Option<Bytes>> {
        self.run(|disk| documents::read_element_file(disk)).await
    }

    async fn prepare_document(&self, document: Document, folder: &str) -> StorageResult<Prepared> {
        let prepared = Prepared { document, folder: folder.to_owned(), stands: Stands::Unasked };
        self.run(move |disk| documents::prepare(disk, &prepared).map(|()| prepared)).await
    }

    async fn replace_document(&self, prepared: Prepared, bytes: Bytes) -> StorageResult<()> {
        self.run(move |disk| documents::replace(disk, &prepared, &bytes)).await
    }

    async fn holds_files(&self) -> StorageResult<bool> {
        self.run(|disk| scanning::holds_files(disk)).await
    }

    async fn highest_epoch(&self) -> StorageResult<Option<Epoch>> {
        self.run(|disk| terms::highest_epoch(disk)).await
    }

    async fn begin_term(&self, term: Term) -> StorageResult<()> {
        self.run(move |disk| terms::begin(disk, term)).await
    }

    async fn empty_trash(&self) -> StorageResult<()> {
        self.run(|disk| terms::empty_trash(disk)).await
    }

    async fn end_term(&self, term: Term) -> StorageResult<()> {
        self.run(move |disk| {
            terms::end_own(disk, term);
            Ok(())
        })
        .await
    }

    async fn new_file(&self, term: Term, tx: TransactionId, path: &StoragePath) -> StorageResult<Box<dyn NewFile>> {
        Ok(Box::new(NewLocalFile::new(Arc::clone(&self.disk), term, tx, path.clone())))
    }

    async fn stage_attr(&self, term: Term, tx: TransactionId, attr: Bytes) -> StorageResult<()> {
        self.run(move |disk| terms::stage_attr(disk, term, tx, &attr)).await
    }

    async fn publish_attr(&self, term: Term, tx: TransactionId, before: &AttrOnDisk) -> Result<(), PublishError> {
        let (disk, before) = (Arc::clone(&self.disk), before.clone());
        let coming = disk.coming(&disk.layout.folder(&before.path));
        let published = tokio::task::spawn_blocking(move || terms::publish_attr(&disk, term, tx, &before, coming));
        join(published).await.unwrap_or_else(|error| Err(PublishError { committed: true, error }))
    }

    async fn unstage(&self, term: Term, tx: TransactionId) -> StorageResult<()> {
        self.run(move |disk| terms::unstage(disk, term, tx)).await
    }

    async fn make_impossible(
        &self,
        term: Term,
        _operation: OperationType,
        tx: TransactionId,
        path: &StoragePath,
    ) -> StorageResult<()> {
        let path = path.clone();
        self.run(move |disk| {
            terms::unstage(disk, term, tx)?;
            match terms::ask_afresh(disk, tx, &path) {
                // What was removed must not wait for room to be made.
                Err(StorageError::Full { .. }) => {
                    tracing::warn!(path = path.as_str(), "no space for an entry of one's own before an undo");
                    Ok(())
                }
                result => result,
            }
        })
        .await
    }

    async fn attr(&self, path: &StoragePath) -> StorageResult<Option<AttrOnDisk>> {
        let path = path.clone();
        self.run(move |disk| reading::attr(disk, &path)).await
    }

    async fn find_attr(&self, file_id: Uuid) -> StorageResult<Option<AttrOnDisk>> {
        let listings = Arc::clone(&self.listings);
        self.run(move |disk| match listings.find(disk, file_id)? {
            Some(path) => reading::attr(disk, &path),
            None => Ok(None),
        })
        .await
    }

    async fn data_stat(&self, path: &StoragePath) -> StorageResult<Option<DataStat>> {
        let path = path.clone();
        self.run(move |disk| reading::data_stat(disk, &path)).await
    }

    async fn read(&self, path: &StoragePath, range: Range<u64>) -> StorageResult<DataStream> {
        reading::stream(Arc::clone(&self.disk), path.clone(), range).await
    }

    async fn make_durable(&self, path: &StoragePath) -> StorageResult<()> {
        let path = path.clone();
        self.run(move |disk| {
            let folder = disk.layout.folder(&path);
            failpoint::hit("settle.before_make_durable").map_err(|source| disk.error("sync", &folder, source))?;
            disk.durable_folder(&folder)?;
            disk.sync_folder(&folder)
        })
        .await
    }

    async fn finish_data(&self, tx: TransactionId, path: &StoragePath, size: Option<u64>) -> StorageResult<bool> {
        let path = path.clone();
        self.run(move |disk| terms::finish_data(disk, tx, &path, size)).await
    }

    async fn remove_data(&self, path: &StoragePath) -> StorageResult<()> {
        let path = path.clone();
        self.run(move |disk| {
            let data = disk.layout.data(&path);
            failpoint::hit("settle.before_remove_data").map_err(|source| disk.error("remove", &data, source))?;
            if disk.remove(&data)? { disk.sync_folder(&disk.layout.folder(&path)) } else { Ok(()) }
        })
        .await
    }

    async fn purge(&self, _term: Term, path: &StoragePath) -> StorageResult<()> {
        let path = path.clone();
        self.run(move |disk| {
            let folder = disk.layout.folder(&path);
            // The attr is what says that the file is deleted: it outlives the data, whatever comes between.
            if disk.remove(&disk.layout.data(&path))? {
                disk.sync_folder(&folder)?;
            }
            failpoint::hit("gc.after_remove_data").map_err(|source| disk.error("remove", &folder, source))?;
            if disk.remove(&disk.layout.attr(&path))? { disk.sync_folder(&folder) } else { Ok(()) }
        })
        .await
    }

    async fn quarantine(&self, path: &StoragePath) -> StorageResult<bool> {
        let path = path.clone();
        self.run(move |disk| {
            let (from, to) = (disk.layout.data(&path), disk.layout.quarantine().join(path.as_str()));
            if !from.is_file() {
                return Ok(false);
            }
            let folder = to.parent().unwrap_or(disk.layout.root());
            disk.durable_folder(folder)?;
            disk.rename(&from, &to)?;
            disk.sync_folder(folder)?;
            disk.sync_folder(&disk.layout.folder(&path))?;
            Ok(true)
        })
        .await
    }

    async fn staging_is_empty(&self, term: Term) -> StorageResult<bool> {
        self.run(move |disk| Ok(disk.names(&disk.layout.term_staging(term))?.is_empty())).await
    }

    async fn scan(&self, found: Sender<Vec<Found>>) -> StorageResult<()> {
        self.run(move |disk| scanning::scan(disk, &found)).await
    }

    async fn space(&self) -> StorageResult<Option<Space>> {
        self.run(|disk| {
            let root = disk.layout.root();
            let space = rustix::fs::statvfs(root).map_err(|error| disk.error("measure", root, error.into()))?;
            Ok(Some(Space {
                total: space.f_blocks.saturating_mul(space.f_frsize),
                available: space.f_bavail.saturating_mul(space.f_frsize),
            }))
        })
        .await
    }

    async fn probe(&self, write: bool) -> StorageResult<()> {
        self.run(move |disk| {
            let root = disk.layout.root();
            std::fs::read_dir(root).map_err(|source| disk.error("list", root, source))?;
            if write {
                // Several may ask at once; what a kill leaves behind goes when the next term begins.
                let path = disk.layout.element_staging().join(format!("probe-{}", Uuid::new_v4()));
                let file = disk.create_new(&path)?;
                drop(file);
                disk.remove(&path)?;
            }
            Ok(())
        })
        .await
    }

    fn broken(&self) -> Option<String> {
        self.disk.broken()
    }

    fn folder_syncs(&self) -> u64 {
        self.disk.syncs_made()
    }
}
