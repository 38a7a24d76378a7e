//! A new file on its way into a local volume.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use super::disk::{Coming, Disk, is_missing};
use super::{blocking, join};
use crate::failpoint;
use crate::model::{StoragePath, Term, TransactionId};
use crate::storage::{NewFile, PublishError, Sealed, StorageError, StorageResult};

/// Data is handed to a blocking thread in pieces of this size: large enough that the hop does not count, small enough
/// that 1 MiB for each transfer is never reached (one piece is filled while one is written).
const PIECE_BYTES: usize = 256 * 1024;

/// A large file is written to the disk while it comes in, in stretches of this size, so that little is left to wait for
/// at its end.
const WRITE_BACK_BYTES: u64 = 8 * 1024 * 1024;

/// What a blocking thread needs to write data: it travels there and back with each piece.
struct Sink {
    disk: Arc<Disk>,
    term: Term,
    tx: TransactionId,
    file: Option<File>,
    hash: Sha256,
    size: u64,
    /// Bytes the system was told to begin writing.
    started: u64,
    /// The upload has ended without being published: whoever comes last removes the file.
    abandoned: Arc<AtomicBool>,
}

/// A new file: gathered in memory up to one piece, then written by blocking threads while the next piece comes in.
pub(super) struct NewLocalFile {
    disk: Arc<Disk>,
    term: Term,
    tx: TransactionId,
    path: StoragePath,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    sink: Option<Sink>,
    writing: Option<JoinHandle<StorageResult<Sink>>>,
    /// Something of this transaction may lie in the staging folder.
    staged: bool,
    /// Staged, and soon to need a sync of its folder.
    coming: Option<Coming>,
    abandoned: Arc<AtomicBool>,
}

impl Sink {
    /// Writes and hashes pieces: one pass over the bytes, no copy.
    fn take(mut self, pieces: &[Bytes]) -> StorageResult<Self> {
        let result = self.write(pieces);
        if self.abandoned.load(Ordering::SeqCst) {
            remove_staged(&self.disk, self.term, self.tx);
        }
        result.map(|()| self)
    }

    fn write(&mut self, pieces: &[Bytes]) -> StorageResult<()> {
        let path = self.disk.layout.staged_data(self.term, self.tx);
        let failed = |source| self.disk.error("write", &path, source);
        if self.file.is_none() {
            failpoint::hit("local.before_write_data").map_err(failed)?;
            self.file = Some(self.disk.create_new(&path).map_err(|error| term_over(error, self.term))?);
        }
        let Some(file) = self.file.as_mut() else { return Ok(()) };
        for piece in pieces {
            self.hash.update(piece);
            self.size += piece.len() as u64;
        }
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut left = slices.as_mut_slice();
        while !left.is_empty() {
            match file.write_vectored(left) {
                Ok(0) => return Err(self.disk.error("write", &path, std::io::ErrorKind::WriteZero.into())),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.disk.error("write", &path, error)),
            }
        }
        if self.size - self.started >= WRITE_BACK_BYTES {
            begin_writing(file, self.started);
            self.started = self.size;
        }
        Ok(())
    }
}

/// Removes what a transaction has staged and nobody will publish. Not synced: after a power cut the next term does it.
fn remove_staged(disk: &Disk, term: Term, tx: TransactionId) {
    for path in [disk.layout.staged_data(term, tx), disk.layout.staged_attr(term, tx)] {
        if let Err(error) = disk.remove(&path) {
            tracing::warn!(%error, "an abandoned upload could not be removed from the staging folder");
        }
    }
}

impl NewLocalFile {
    pub(super) fn new(disk: Arc<Disk>, term: Term, tx: TransactionId, path: StoragePath) -> Self {
        let abandoned = Arc::new(AtomicBool::new(false));
        let sink = Sink {
            disk: Arc::clone(&disk),
            term,
            tx,
            file: None,
            hash: Sha256::new(),
            size: 0,
            started: 0,
            abandoned: Arc::clone(&abandoned),
        };
        Self {
            disk,
            term,
            tx,
            path,
            gathered: Vec::new(),
            gathered_bytes: 0,
            sink: Some(sink),
            writing: None,
            staged: false,
            coming: None,
            abandoned,
        }
    }

    /// Waits for the piece that is being written and takes the sink back.
    async fn settle_writing(&mut self) -> StorageResult<Sink> {
        if let Some(writing) = self.writing.take() {
            return join(writing).await?;
        }
        self.sink.take().ok_or_else(|| poisoned(&self.path))
    }

    async fn flush(&mut self) -> StorageResult<()> {
        let sink = self.settle_writing().await?;
        let pieces = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        self.staged = true;
        self.writing = Some(tokio::task::spawn_blocking(move || sink.take(&pieces)));
        Ok(())
    }
}

#[async_trait]
impl NewFile for NewLocalFile {
    async fn write(&mut self, piece: Bytes) -> StorageResult<()> {
        // A write of nothing would look like a disk that takes nothing.
        if piece.is_empty() {
            return Ok(());
        }
        self.gathered_bytes += piece.len();
        self.gathered.push(piece);
        if self.gathered_bytes >= PIECE_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn seal(&mut self) -> StorageResult<Sealed> {
        if self.staged && !self.gathered.is_empty() {
            self.flush().await?;
        }
        let mut sink = self.settle_writing().await?;
        let sealed = if self.staged {
            Sealed { size: sink.size, checksum: hex::encode(std::mem::take(&mut sink.hash).finalize()) }
        } else {
            // All of it fits in one piece: hashed here, written together with its attr in one hop.
            let mut hash = Sha256::new();
            self.gathered.iter().for_each(|piece| hash.update(piece));
            Sealed { size: self.gathered_bytes as u64, checksum: hex::encode(hash.finalize()) }
        };
        self.sink = Some(sink);
        Ok(sealed)
    }

    async fn stage(&mut self, attr: Bytes) -> StorageResult<()> {
        let sink = self.settle_writing().await?;
        let pieces = std::mem::take(&mut self.gathered);
        let first = !std::mem::replace(&mut self.staged, true);
        let (disk, term, tx, abandoned) = (Arc::clone(&self.disk), self.term, self.tx, Arc::clone(&self.abandoned));
        blocking(move || {
            let staged = stage(sink, first, &pieces, &attr);
            // Given up while this ran: what was made after the removal in `drop` goes too.
            if abandoned.load(Ordering::SeqCst) {
                remove_staged(&disk, term, tx);
            }
            staged
        })
        .await?;
        // From here to the sync of its folder lies only the intent, which others share too.
        self.coming = Some(self.disk.coming(&self.disk.layout.folder(&self.path)));
        Ok(())
    }

    async fn publish(mut self: Box<Self>) -> Result<(), PublishError> {
        let (disk, term, tx, path) = (Arc::clone(&self.disk), self.term, self.tx, self.path.clone());
        self.staged = false;
        let coming = self.coming.take().unwrap_or_else(|| disk.coming(&disk.layout.folder(&path)));
        let published = tokio::task::spawn_blocking(move || publish(&disk, term, tx, &path, coming));
        match join(published).await {
            Ok(result) => result,
            Err(error) => Err(PublishError { committed: true, error }),
        }
    }
}

impl Drop for NewLocalFile {
    /// An upload that ends before its intent leaves nothing in the staging folder. Two unlinks are short enough to be
    /// done here; a piece still being written removes what it adds after them.
    fn drop(&mut self) {
        if self.staged {
            self.abandoned.store(true, Ordering::SeqCst);
            remove_staged(&self.disk, self.term, self.tx);
        }
    }
}

/// Tells the system to begin writing what stands in the cache from `offset` on. For two new files told so before the
/// first is synced, one commit of the file system's journal covers both. Only a hint: what counts is the fsync.
fn begin_writing(file: &File, offset: u64) {
    let _ = rustix::fs::fadvise(file, offset, None, rustix::fs::Advice::DontNeed);
}

fn stage(sink: Sink, first: bool, pieces: &[Bytes], attr: &Bytes) -> StorageResult<()> {
    let sink = if first || !pieces.is_empty() { sink.take(pieces)? } else { sink };
    let (disk, term, tx) = (&sink.disk, sink.term, sink.tx);
    let data_path = disk.layout.staged_data(term, tx);
    let Some(data) = sink.file.as_ref() else {
        return Err(StorageError::Missing { path: disk.layout.shown(&data_path) });
    };
    let attr_path = disk.layout.staged_attr(term, tx);
    let injected = |source| disk.error("write", &data_path, source);
    failpoint::hit("local.after_write_data").map_err(injected)?;
    let mut attr_file = disk.create_new(&attr_path).map_err(|error| term_over(error, term))?;
    attr_file.write_all(attr).map_err(|source| disk.error("write", &attr_path, source))?;
    failpoint::hit("local.after_write_attr").map_err(injected)?;
    begin_writing(data, sink.started);
    begin_writing(&attr_file, 0);
    failpoint::hit("local.before_sync_data").map_err(|source| disk.sync_failed(&data_path, source))?;
    disk.sync_file(data, &data_path)?;
    failpoint::hit("local.after_sync_data").map_err(injected)?;
    disk.sync_file(&attr_file, &attr_path)?;
    failpoint::hit("local.after_sync_attr").map_err(injected)?;
    Ok(())
}

fn publish(disk: &Disk, term: Term, tx: TransactionId, path: &StoragePath, coming: Coming) -> Result<(), PublishError> {
    let before = |error| PublishError { committed: false, error };
    let after = |error| PublishError { committed: true, error };
    let (data, attr, folder) = (disk.layout.data(path), disk.layout.attr(path), disk.layout.folder(path));
    let injected = |source| disk.error("publish", &data, source);
    disk.durable_folder(&folder).map_err(before)?;
    failpoint::hit("local.before_rename_data").map_err(injected).map_err(before)?;
    disk.rename(&disk.layout.staged_data(term, tx), &data).map_err(|error| before(term_over(error, term)))?;
    failpoint::hit("local.after_rename_data").map_err(injected).map_err(before)?;
    // The commit point. A rename that the system says did not find its source did not happen; after any other error
    // it may have.
    disk.rename(&disk.layout.staged_attr(term, tx), &attr)
        .map_err(|error| PublishError { committed: !is_missing(&error), error: term_over(error, term) })?;
    failpoint::hit("local.after_rename_attr").map_err(injected).map_err(after)?;
    drop(coming);
    disk.sync_folder(&folder).map_err(after)?;
    failpoint::hit("local.after_sync_folder").map_err(injected).map_err(after)
}

/// Nothing but a successor removes a term's staging folder: when it is not there, the term is over.
pub(super) fn term_over(error: StorageError, term: Term) -> StorageError {
    if is_missing(&error) { StorageError::TermOver { term } } else { error }
}

fn poisoned(path: &StoragePath) -> StorageError {
    StorageError::Io {
        action: "write",
        path: path.to_string(),
        source: std::io::Error::other("an earlier piece of this file could not be written"),
    }
}
