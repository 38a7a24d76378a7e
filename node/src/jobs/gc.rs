//! Removing what has had its time: expired files, bytes of deleted files past their grace, old rows of the log, and, only
//! when asked, data that nobody knows.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::verify::announced;
use super::{JobError, Progress};
use crate::catalog::SharedCatalog;
use crate::element::RetentionRules;
use crate::model::{Attr, AttrFile, FileRow, Term, Timestamp};
use crate::settling::KeyLocks;
use crate::storage::{Found, SharedStorage};

const PAGE: u32 = 256;
const BATCHES_AHEAD: usize = 4;
/// Rows of the log are kept so long after they ended: long enough to look into what happened last month.
const LOG_DAYS: u32 = 30;
/// Clocks of node and catalog may differ by so much: what is removed is removed by the clock.
const CLOCKS_DIFFER_MOST_MICROS: u64 = 60_000_000;

/// Deletes a file whose time to live is over, as an ordinary delete.
#[async_trait]
pub trait Expire: Send + Sync {
    /// Deletes it if it is still expired; true when it was.
    async fn expire(&self, file_id: Uuid) -> Result<bool, String>;
}

/// What gc works with.
pub struct Gc<'a> {
    /// Where the bytes are.
    pub storage: &'a SharedStorage,
    /// The catalog.
    pub catalog: &'a SharedCatalog,
    /// One writer for each file.
    pub files: &'a KeyLocks<Uuid>,
    /// Who deletes expired files; `None` where none expire.
    pub expire: Option<Arc<dyn Expire>>,
    /// The rules.
    pub retention: RetentionRules,
    /// The running term.
    pub term: Term,
    /// Also set aside data that nobody knows.
    pub orphans: bool,
}

/// What gc has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Files whose time to live was over.
    pub expired: u64,
    /// Deleted files whose bytes and description are gone now.
    pub purged: u64,
    /// Bytes they had.
    pub purged_bytes: u64,
    /// Old rows of the log.
    pub wal_rows: u64,
    /// Data files moved to `.quarantine/`.
    pub orphans_moved: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// Runs gc once.
pub async fn gc(parts: &Gc<'_>, progress: &Progress, cancel: &CancellationToken) -> Result<GcReport, JobError> {
    let started = Instant::now();
    let mut report = GcReport::default();
    clocks_agree(parts.catalog).await?;
    expire(parts, progress, cancel, &mut report).await?;
    purge(parts, progress, cancel, &mut report).await?;
    purge_log(parts, cancel, &mut report).await?;
    if parts.orphans {
        set_aside(parts, progress, cancel, &mut report).await?;
    }
    report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

async fn clocks_agree(catalog: &SharedCatalog) -> Result<(), JobError> {
    let catalog_now = catalog.now().await?;
    let apart = catalog_now.micros().abs_diff(Timestamp::now().micros());
    if apart > CLOCKS_DIFFER_MOST_MICROS {
        return Err(JobError::ClocksDiffer { seconds: apart / 1_000_000 });
    }
    Ok(())
}

async fn expire(
    parts: &Gc<'_>,
    progress: &Progress,
    cancel: &CancellationToken,
    report: &mut GcReport,
) -> Result<(), JobError> {
    let (Some(expire), Some(days)) = (&parts.expire, parts.retention.time_to_live_days) else { return Ok(()) };
    let created_to = Timestamp::now().plus_micros(-i64::from(days) * 86_400_000_000);
    let mut after = None;
    loop {
        let rows = parts.catalog.active_before(created_to, after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.attr.file_id);
        for row in rows {
            stopped(cancel)?;
            progress.add(1);
            if !parts.retention.is_expired(&row.attr, Timestamp::now()) {
                continue;
            }
            match expire.expire(row.attr.file_id).await {
                Ok(true) => report.expired += 1,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(file_id = %row.attr.file_id, error, "an expired file could not be deleted; the next gc tries again");
                }
            }
        }
    }
}

async fn purge(
    parts: &Gc<'_>,
    progress: &Progress,
    cancel: &CancellationToken,
    report: &mut GcReport,
) -> Result<(), JobError> {
    let mut after = None;
    loop {
        let rows = parts.catalog.deleted(after, PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.attr.file_id);
        for row in rows {
            stopped(cancel)?;
            progress.add(1);
            if parts.retention.is_past_grace(&row.attr, Timestamp::now()) && row.blocked_by.is_none() {
                purge_one(parts, row, report).await?;
            }
        }
    }
}

/// The row only names the candidate. What may be removed is decided by the attr, read under the file's lock.
async fn purge_one(parts: &Gc<'_>, row: FileRow, report: &mut GcReport) -> Result<(), JobError> {
    let id = row.attr.file_id;
    let _lock = parts.files.lock(id).await;
    let path = &row.attr.storage_path;
    let corrected = match parts.storage.attr(path).await?.map(|found| AttrFile::parse(&found.bytes)) {
        Some(Ok(AttrFile::Attr(attr))) if attr.file_id != id || attr.storage_path != *path => return Ok(()),
        Some(Ok(AttrFile::Attr(attr))) if parts.retention.is_past_grace(&attr, Timestamp::now()) => {
            tracing::info!(file_id = %id, path = %path, bytes = attr.file_size, "the bytes of a deleted file are removed: its grace is over");
            parts.storage.purge(parts.term, path).await?;
            report.purged += 1;
            report.purged_bytes += attr.file_size;
            parts.catalog.correct(parts.term, id, None).await?
        }
        Some(Ok(AttrFile::Attr(attr))) => correct(parts, *attr, row).await?,
        Some(Ok(AttrFile::Tombstone(_))) | None => parts.catalog.correct(parts.term, id, None).await?,
        Some(Err(error)) => {
            tracing::warn!(file_id = %id, %error, "the description of a deleted file cannot be read: nothing of it is removed");
            return Ok(());
        }
    };
    if corrected { Ok(()) } else { Err(JobError::TermOver) }
}

/// The cache was wrong about a file: it says again what the attr says.
async fn correct(parts: &Gc<'_>, attr: Attr, row: FileRow) -> Result<bool, JobError> {
    if attr == row.attr {
        return Ok(true);
    }
    let row = FileRow { attr, cached_at: Timestamp::now(), damaged: false, ..row };
    Ok(parts.catalog.correct(parts.term, row.attr.file_id, Some(row)).await?)
}

async fn purge_log(parts: &Gc<'_>, cancel: &CancellationToken, report: &mut GcReport) -> Result<(), JobError> {
    let before = Timestamp::now().plus_micros(-i64::from(LOG_DAYS) * 86_400_000_000);
    loop {
        stopped(cancel)?;
        let removed = parts.catalog.purge_wal(parts.term, before, 10 * PAGE).await?;
        report.wal_rows += removed;
        if removed == 0 {
            return Ok(());
        }
    }
}

/// Moves data that neither an attr nor an open transaction knows.
async fn set_aside(
    parts: &Gc<'_>,
    progress: &Progress,
    cancel: &CancellationToken,
    report: &mut GcReport,
) -> Result<(), JobError> {
    let (sender, mut batches) = mpsc::channel::<Vec<Found>>(BATCHES_AHEAD);
    let scan = parts.storage.scan(sender);
    let look = async {
        while let Some(batch) = batches.recv().await {
            stopped(cancel)?;
            progress.add(batch.len() as u64);
            for found in batch.into_iter().filter(|found| found.attr.is_none()) {
                let path = &found.path;
                // In this order: an upload announces itself before its data is in place, and its attr comes before its
                // row is closed. So one of the two looks sees it.
                let known = announced(parts.catalog).await?.contains(path);
                if !known && parts.storage.attr(path).await?.is_none() && parts.storage.quarantine(path).await? {
                    tracing::warn!(path = %path, "data that nobody knows was moved to .quarantine/");
                    report.orphans_moved += 1;
                }
            }
        }
        drop(batches);
        Ok::<_, JobError>(())
    };
    let (scanned, looked) = tokio::join!(scan, look);
    looked?;
    Ok(scanned?)
}

fn stopped(cancel: &CancellationToken) -> Result<(), JobError> {
    if cancel.is_cancelled() { Err(JobError::Cancelled) } else { Ok(()) }
}
