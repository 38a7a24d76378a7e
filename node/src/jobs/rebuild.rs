//! Making the cache again from the attr files: mark and sweep in place, so that reads never see half of it.

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{JobError, Progress};
use crate::catalog::SharedCatalog;
use crate::model::{Attr, AttrFile, FileRow, OperationType, Term, Timestamp, WalRow, WalStatus};
use crate::settling::KeyLocks;
use crate::storage::{Found, SharedStorage};

/// Batches on their way from the scan to the catalog: bounds memory, keeps both sides busy.
const BATCHES_AHEAD: usize = 4;
/// Rows looked at again at once.
const SWEEP_PAGE: u32 = 512;

/// What a rebuild has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// Attr files read into the cache.
    pub files: u64,
    /// Bytes they describe.
    pub bytes: u64,
    /// Attr files that cannot be read; their rows stay, marked.
    pub damaged_attr: u64,
    /// Rows removed: no attr file says that they exist.
    pub removed_rows: u64,
    /// Rows set back or forward to what their attr says.
    pub corrected_rows: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// Makes the cache again. Writes may go on meanwhile: each row is only ever set to what an attr says, and what the scan
/// did not see is looked at again under the file's lock.
pub async fn rebuild(
    storage: &SharedStorage,
    catalog: &SharedCatalog,
    files: &KeyLocks<Uuid>,
    term: Term,
    job: Uuid,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<RebuildReport, JobError> {
    let started_at = Timestamp::now();
    let result = mark_and_sweep(storage, catalog, files, term, job, progress, cancel).await;
    let ended_at = Timestamp::now();
    let duration_ms = (ended_at.millis() - started_at.millis()).max(0);
    let (status, error_message, data) = match &result {
        Ok(report) => (WalStatus::Committed, None, serde_json::to_value(report).unwrap_or_default()),
        Err(error) => (WalStatus::RolledBack, Some(error.to_string()), serde_json::Value::Null),
    };
    let row = WalRow {
        transaction_id: job,
        operation_type: OperationType::CacheRebuild,
        status,
        file_id: None,
        operation_data: data,
        error_message,
        started_at,
        completed_at: Some(ended_at),
        duration_ms: Some(duration_ms),
        user_id: None,
        epoch: term.epoch,
    };
    let written = catalog.end_rebuild(term, row).await;
    let mut report = result?;
    if !written? {
        return Err(JobError::TermOver);
    }
    report.duration_ms = u64::try_from(duration_ms).unwrap_or(0);
    Ok(report)
}

async fn mark_and_sweep(
    storage: &SharedStorage,
    catalog: &SharedCatalog,
    files: &KeyLocks<Uuid>,
    term: Term,
    job: Uuid,
    progress: &Progress,
    cancel: &CancellationToken,
) -> Result<RebuildReport, JobError> {
    let mut report = RebuildReport::default();
    let totals = catalog.totals().await?;
    progress.expect(totals.active_files + totals.deleted_files);
    let (sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
    let scan = storage.scan(sender);
    let mark = async {
        // Dropping the receiver on an error or a cancel ends the scan.
        while let Some(batch) = batches.recv().await {
            if cancel.is_cancelled() {
                return Err(JobError::Cancelled);
            }
            let seen = batch.len() as u64;
            let rows = rows_of(batch, &mut report);
            if !rows.is_empty() && !catalog.rebuild_batch(term, job, rows).await? {
                return Err(JobError::TermOver);
            }
            progress.add(seen);
        }
        drop(batches);
        Ok(())
    };
    let (scanned, marked) = tokio::join!(scan, mark);
    marked?;
    scanned?;
    sweep(storage, catalog, files, term, job, cancel, &mut report).await?;
    Ok(report)
}

/// Rows for the attr files in a batch that can be read and lie where they say.
fn rows_of(batch: Vec<Found>, report: &mut RebuildReport) -> Vec<FileRow> {
    let now = Timestamp::now();
    let mut rows = Vec::with_capacity(batch.len());
    for found in batch {
        let Some(attr) = found.attr else { continue };
        match attr.map_err(|error| error.clone()).and_then(|bytes| read(&bytes)) {
            Ok(Some(attr)) if attr.storage_path == found.path => {
                report.files += 1;
                report.bytes += attr.file_size;
                rows.push(FileRow { attr, cached_at: now, damaged: false, blocked_by: None });
            }
            Ok(None) => {}
            Ok(Some(attr)) => {
                tracing::warn!(path = %found.path, says = %attr.storage_path, "an attr file lies where it does not belong; it is not cached");
                report.damaged_attr += 1;
            }
            Err(error) => {
                tracing::warn!(path = %found.path, error, "an attr file cannot be read; its row stays as it was");
                report.damaged_attr += 1;
            }
        }
    }
    rows
}

/// `None` for a tombstone.
fn read(bytes: &[u8]) -> Result<Option<Attr>, String> {
    AttrFile::parse(bytes).map(AttrFile::into_attr).map_err(|error| error.to_string())
}

/// Looks again, under each file's lock, at rows the scan has not seen or saw with a lower revision.
async fn sweep(
    storage: &SharedStorage,
    catalog: &SharedCatalog,
    files: &KeyLocks<Uuid>,
    term: Term,
    job: Uuid,
    cancel: &CancellationToken,
    report: &mut RebuildReport,
) -> Result<(), JobError> {
    let mut after = None;
    loop {
        let rows = catalog.unmarked(job, after, SWEEP_PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.attr.file_id);
        for seen in rows {
            if cancel.is_cancelled() {
                return Err(JobError::Cancelled);
            }
            let id = seen.attr.file_id;
            let _lock = files.lock(id).await;
            // What was listed may have changed before the lock was ours.
            let Some(row) = catalog.file(id).await? else { continue };
            let found = storage.attr(&row.attr.storage_path).await?;
            let corrected = match found.map(|found| read(&found.bytes)) {
                None | Some(Ok(None)) => {
                    report.removed_rows += 1;
                    catalog.correct(term, id, None).await?
                }
                Some(Ok(Some(attr))) if attr.file_id == id => {
                    if attr != row.attr {
                        report.corrected_rows += 1;
                    }
                    let row = FileRow { attr, cached_at: Timestamp::now(), damaged: false, ..row };
                    catalog.correct(term, id, Some(row)).await?
                }
                Some(_) => catalog.correct(term, id, Some(FileRow { damaged: true, ..row })).await?,
            };
            if !corrected {
                return Err(JobError::TermOver);
            }
        }
    }
}
