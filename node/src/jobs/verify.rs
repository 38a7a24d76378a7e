//! Verifying: attr against cache, attr against data, orphans on every side.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::finding::{Finding, FindingKind, VerifyReport};
use super::{JobError, Progress};
use crate::catalog::{SharedCatalog, WalQuery};
use crate::model::{Attr, AttrFile, FileIntent, FileRow, FileStatus, StoragePath, Term, Timestamp, WalStatus};
use crate::settling::KeyLocks;
use crate::storage::{DataStat, Found, SharedStorage};

const BATCHES_AHEAD: usize = 4;
const ROWS_PAGE: u32 = 512;

/// What to verify.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions {
    /// Hash every file's data again.
    pub deep: bool,
    /// Repair what the attr files tell, in this term: rows. Never removes a data file.
    pub repair: Option<Term>,
    /// At most so many bytes a second are read for `deep`; 0 is as fast as it goes.
    pub bytes_per_second: u64,
    /// Only files that changed at or after this moment; orphans and rows are looked for all the same.
    pub since: Option<Timestamp>,
}

struct Verifier<'a> {
    storage: &'a SharedStorage,
    catalog: &'a SharedCatalog,
    files: &'a KeyLocks<Uuid>,
    options: VerifyOptions,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
    /// Paths that open transactions name: their data is somebody's.
    announced: HashSet<StoragePath>,
    report: VerifyReport,
    hashing_since: Instant,
    hashed: u64,
    tell: &'a mut (dyn FnMut(Finding) + Send + Sync),
}

/// Verifies every file. Each finding is also told to `tell` as it comes. Writes may go on meanwhile: a row is only judged
/// and repaired under its file's lock.
pub async fn verify(
    storage: &SharedStorage,
    catalog: &SharedCatalog,
    files: &KeyLocks<Uuid>,
    options: VerifyOptions,
    progress: &Progress,
    cancel: &CancellationToken,
    tell: &mut (dyn FnMut(Finding) + Send + Sync),
) -> Result<VerifyReport, JobError> {
    let started = Instant::now();
    let totals = catalog.totals().await?;
    progress.expect(totals.active_files + totals.deleted_files);
    let mut verifier = Verifier {
        storage,
        catalog,
        files,
        options,
        progress,
        cancel,
        announced: announced(catalog).await?,
        report: VerifyReport::default(),
        hashing_since: Instant::now(),
        hashed: 0,
        tell,
    };
    let (sender, mut batches) = mpsc::channel::<Vec<Found>>(BATCHES_AHEAD);
    let scan = storage.scan(sender);
    let look = async {
        while let Some(batch) = batches.recv().await {
            for found in batch {
                if verifier.cancel.is_cancelled() {
                    return Err(JobError::Cancelled);
                }
                verifier.file(found).await?;
            }
        }
        drop(batches);
        verifier.rows().await?;
        Ok(verifier.report)
    };
    let (scanned, looked) = tokio::join!(scan, look);
    let mut report = looked?;
    scanned?;
    report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

pub(super) async fn announced(catalog: &SharedCatalog) -> Result<HashSet<StoragePath>, JobError> {
    let mut paths = HashSet::new();
    let statuses = vec![WalStatus::Pending, WalStatus::Failed];
    let mut query = WalQuery { statuses, files_only: true, after: None, limit: ROWS_PAGE };
    loop {
        let rows = catalog.wal(&query).await?;
        let Some(last) = rows.last() else { return Ok(paths) };
        query.after = Some((last.started_at, last.transaction_id));
        let intents = rows.into_iter().filter_map(|row| serde_json::from_value::<FileIntent>(row.operation_data).ok());
        paths.extend(intents.map(|intent| intent.storage_path));
    }
}

impl Verifier<'_> {
    async fn file(&mut self, found: Found) -> Result<(), JobError> {
        let Some(attr) = found.attr else {
            return self.orphan(&found.path).await;
        };
        let parsed = attr.and_then(|bytes| AttrFile::parse(&bytes).map_err(|error| error.to_string()));
        let attr = match parsed {
            Ok(AttrFile::Tombstone(_)) => return Ok(()),
            Ok(AttrFile::Attr(attr)) if attr.storage_path == found.path => *attr,
            Ok(AttrFile::Attr(attr)) => {
                let message = format!("it describes {}, not the file beside it", attr.storage_path);
                self.found(FindingKind::DamagedAttr, &found.path, message);
                return Ok(());
            }
            Err(error) => {
                self.found(FindingKind::DamagedAttr, &found.path, error);
                return Ok(());
            }
        };
        if self.options.since.is_some_and(|since| attr.updated_at < since) {
            return Ok(());
        }
        self.report.files += 1;
        self.report.bytes += attr.file_size;
        self.progress.add(1);
        self.data(&attr, found.data).await?;
        self.row(attr).await
    }

    /// Data without attr. What was seen may be a moment old, so it is looked at again, in this order: an upload announces
    /// itself before its data is in place, and its attr comes before its row is closed.
    async fn orphan(&mut self, path: &StoragePath) -> Result<(), JobError> {
        if self.announced.contains(path) || announced(self.catalog).await?.contains(path) {
            return Ok(());
        }
        if self.storage.attr(path).await?.is_none() && self.storage.data_stat(path).await?.is_some() {
            let message = "no attr file and no open transaction knows it; `gc {\"orphans\": true}` sets it aside";
            self.found(FindingKind::OrphanData, path, message.to_owned());
        }
        Ok(())
    }

    async fn data(&mut self, attr: &Attr, data: Option<DataStat>) -> Result<(), JobError> {
        let path = &attr.storage_path;
        let Some(data) = data else {
            // The bytes of a deleted file go before its attr does.
            if attr.status == FileStatus::Active && self.storage.data_stat(path).await?.is_none() {
                self.found(FindingKind::MissingData, path, format!("{} bytes are not there", attr.file_size));
            }
            return Ok(());
        };
        if data.size != attr.file_size {
            let message = format!("{} bytes are there, {} are described", data.size, attr.file_size);
            self.found(FindingKind::SizeMismatch, path, message);
        } else if self.options.deep {
            let actual = self.hash(attr).await?;
            if actual != attr.checksum {
                let message = format!("its SHA-256 is {actual}, {} is described", attr.checksum);
                self.found(FindingKind::ChecksumMismatch, path, message);
            }
        }
        Ok(())
    }

    async fn hash(&mut self, attr: &Attr) -> Result<String, JobError> {
        let mut hash = Sha256::new();
        if attr.file_size > 0 {
            let mut data = self.storage.read(&attr.storage_path, 0..attr.file_size).await?;
            while let Some(piece) = data.try_next().await? {
                if self.cancel.is_cancelled() {
                    return Err(JobError::Cancelled);
                }
                hash.update(&piece);
                self.progress.add_bytes(piece.len() as u64);
                self.hashed += piece.len() as u64;
                self.hold_to_rate().await;
            }
        }
        Ok(hex::encode(hash.finalize()))
    }

    async fn hold_to_rate(&self) {
        let Some(micros) = self.hashed.saturating_mul(1_000_000).checked_div(self.options.bytes_per_second) else {
            return;
        };
        let due = Duration::from_micros(micros);
        let early = due.saturating_sub(self.hashing_since.elapsed());
        if early > Duration::from_millis(5) {
            tokio::time::sleep(early).await;
        }
    }

    async fn row(&mut self, attr: Attr) -> Result<(), JobError> {
        let id = attr.file_id;
        if self.catalog.file(id).await?.is_some_and(|row| row.attr == attr && !row.damaged) {
            return Ok(());
        }
        // A write may be on its way, or may have come since the scan: only what still differs under the lock is a
        // finding. What an interrupted operation has left is settling's to tell.
        // Looked for before the lock too: an operation whose commit finds no catalog holds the lock for as long.
        if announced(self.catalog).await?.contains(&attr.storage_path) {
            return Ok(());
        }
        let _lock = self.files.lock(id).await;
        if announced(self.catalog).await?.contains(&attr.storage_path) {
            return Ok(());
        }
        let Some(now) = self.storage.attr(&attr.storage_path).await? else { return Ok(()) };
        let Ok(AttrFile::Attr(attr)) = AttrFile::parse(&now.bytes) else { return Ok(()) };
        let row = self.catalog.file(id).await?;
        let (kind, message) = match &row {
            Some(row) if row.attr == *attr && !row.damaged => return Ok(()),
            Some(_) => (FindingKind::StaleRow, "the catalog says something else than its attr file"),
            None => (FindingKind::MissingRow, "the catalog does not know it"),
        };
        self.found(kind, &attr.storage_path, message.to_owned());
        let blocked_by = row.and_then(|row| row.blocked_by);
        self.repair(id, Some(FileRow { attr: *attr, cached_at: Timestamp::now(), damaged: false, blocked_by })).await
    }

    /// Rows whose attr is not there.
    async fn rows(&mut self) -> Result<(), JobError> {
        let mut after = None;
        loop {
            let rows = self.catalog.rows_after(after, ROWS_PAGE).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.attr.file_id);
            for row in rows {
                if self.cancel.is_cancelled() {
                    return Err(JobError::Cancelled);
                }
                let path = &row.attr.storage_path;
                if self.storage.attr(path).await?.is_some() {
                    continue;
                }
                let _lock = self.files.lock(row.attr.file_id).await;
                if self.storage.attr(path).await?.is_some() || self.catalog.file(row.attr.file_id).await?.is_none() {
                    continue;
                }
                self.found(FindingKind::RowWithoutAttr, path, "the catalog knows it, no attr file does".to_owned());
                self.repair(row.attr.file_id, None).await?;
            }
        }
    }

    async fn repair(&mut self, id: Uuid, row: Option<FileRow>) -> Result<(), JobError> {
        let Some(term) = self.options.repair else { return Ok(()) };
        if !self.catalog.correct(term, id, row).await? {
            return Err(JobError::TermOver);
        }
        self.report.repaired += 1;
        Ok(())
    }

    fn found(&mut self, kind: FindingKind, path: &StoragePath, message: String) {
        self.report.count(kind);
        (self.tell)(Finding { kind, path: path.to_string(), message });
    }
}
