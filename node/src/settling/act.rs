//! Carrying out what was decided about one transaction. May itself be killed at any point: each step can be repeated.

use super::decide::{AttrFound, DataFound, Decision, decide};
use super::{SettleError, Settler};
use crate::catalog::{CatalogError, Commit, CommitVerdict};
use crate::failpoint;
use crate::model::{Attr, AttrFile, FileIntent, FileRow, Term, Timestamp, WalRow};
use crate::storage::{DataOrder, StorageError, StorageResult};
use crate::telemetry::metrics::WalOutcome;

/// How a transaction was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It happened.
    Redone,
    /// It did not happen.
    Undone,
    /// It could not be told, and why.
    CannotTell(String),
    /// The term ended meanwhile: its successor settles it.
    TermOver,
}

impl Settler {
    /// Settles one transaction on a file that no live operation owns. The caller holds the file's lock.
    pub(super) async fn settle(&self, term: Term, row: &WalRow) -> Result<Settled, SettleError> {
        let settled = self.settle_uncounted(term, row).await?;
        let outcome = match settled {
            Settled::Redone => WalOutcome::Committed,
            Settled::Undone => WalOutcome::RolledBack,
            Settled::CannotTell(_) => WalOutcome::Failed,
            Settled::TermOver => return Ok(settled),
        };
        self.metrics.wal_transaction(row.operation_type.as_str(), outcome);
        Ok(settled)
    }

    async fn settle_uncounted(&self, term: Term, row: &WalRow) -> Result<Settled, SettleError> {
        // A row of a later term is a living successor's: its data may stand there for a moment without its attr, and
        // removing data is fenced by nothing. The catalog's word would come too late.
        if row.epoch > term.epoch {
            return Ok(Settled::TermOver);
        }
        let intent: FileIntent = match serde_json::from_value(row.operation_data.clone()) {
            Ok(intent) => intent,
            Err(error) => return self.cannot_tell(term, row, format!("its row cannot be read: {error}")).await,
        };
        let mut looked_aside = false;
        let mut made_impossible = false;
        loop {
            let (attr, data) = self.observe(&intent).await?;
            let standing = match &attr {
                AttrFound::Present(attr) if made_impossible => Some(attr.clone()),
                _ => None,
            };
            match decide(row.operation_type, row.transaction_id, attr, data, looked_aside) {
                Decision::Redo(attr) | Decision::Superseded(attr) => return self.redo(term, row, &intent, *attr).await,
                Decision::FinishData(attr) => {
                    let size = Some(attr.file_size);
                    self.storage.finish_data(row.transaction_id, &intent.storage_path, size).await?;
                    looked_aside = true;
                }
                Decision::Undo { .. } if !made_impossible => {
                    // Only after this can the attr not come any more; so what was seen before does not count.
                    hit("settle.before_unstage")?;
                    let (operation, tx) = (row.operation_type, row.transaction_id);
                    self.storage.make_impossible(term, operation, tx, &intent.storage_path).await?;
                    made_impossible = true;
                }
                Decision::Undo { remove_data } => {
                    if remove_data {
                        self.storage.remove_data(&intent.storage_path).await?;
                    }
                    if !self.note_rewrite(term, standing).await? {
                        return Ok(Settled::TermOver);
                    }
                    hit("settle.before_roll_back")?;
                    let reason = "interrupted before its commit point";
                    let verdict = self.catalog.roll_back(term, row.transaction_id, reason).await?;
                    // The row is closed: what fails from here on is no failure of its settling.
                    let _ = hit("settle.after_roll_back");
                    return Ok(ended(verdict, Settled::Undone));
                }
                Decision::CannotTell(reason) => return self.cannot_tell(term, row, reason).await,
            }
        }
    }

    /// The attr that an undone change leaves in place was put afresh where the storage has no staging: the cache says so
    /// too, before the transaction is closed, as nobody would come back to it later. False when the term is over: what was
    /// read here may be older than what a successor has cached.
    async fn note_rewrite(&self, term: Term, standing: Option<Box<Attr>>) -> Result<bool, SettleError> {
        let Some(attr) = standing.filter(|_| self.storage.order() == DataOrder::AfterIntent) else { return Ok(true) };
        let (file_id, now) = (attr.file_id, Timestamp::now());
        let row = FileRow { attr: *attr, cached_at: now, damaged: false, blocked_by: None };
        match self.catalog.correct(term, file_id, Some(row)).await {
            Ok(stands) => Ok(stands),
            Err(error @ CatalogError::Unavailable { .. }) => Err(error.into()),
            // What the catalog refuses for its content it would refuse for ever: verify tells of the row.
            Err(error) => {
                tracing::warn!(%file_id, %error, "an attr that was rewritten could not be cached");
                Ok(true)
            }
        }
    }

    async fn observe(&self, intent: &FileIntent) -> StorageResult<(AttrFound, DataFound)> {
        let attr = match self.storage.attr(&intent.storage_path).await? {
            None => AttrFound::Absent,
            Some(found) => match AttrFile::parse(&found.bytes) {
                Ok(AttrFile::Attr(attr)) => AttrFound::Present(attr),
                Ok(AttrFile::Tombstone(_)) => AttrFound::Absent,
                Err(error) => AttrFound::Unreadable(error.to_string()),
            },
        };
        let data = self.storage.data_stat(&intent.storage_path).await?;
        Ok((attr, data.map_or(DataFound::Absent, |data| DataFound::Present(data.size))))
    }

    async fn redo(&self, term: Term, row: &WalRow, intent: &FileIntent, attr: Attr) -> Result<Settled, SettleError> {
        self.storage.make_durable(&intent.storage_path).await?;
        hit("settle.before_commit")?;
        let now = Timestamp::now();
        let commit = Commit {
            transaction_id: row.transaction_id,
            row: FileRow { attr, cached_at: now, damaged: false, blocked_by: None },
            duration_ms: (now.millis() - row.started_at.millis()).max(0),
        };
        Ok(ended(self.catalog.commit(term, commit).await?, Settled::Redone))
    }

    async fn cannot_tell(&self, term: Term, row: &WalRow, reason: String) -> Result<Settled, SettleError> {
        tracing::error!(
            transaction_id = %row.transaction_id,
            file_id = row.file_id.map(tracing::field::display),
            reason,
            "a transaction cannot be settled: its file is not shown and takes no writes until a person has looked"
        );
        let verdict = self.catalog.fail(term, row.transaction_id, &reason).await?;
        Ok(ended(verdict, Settled::CannotTell(reason)))
    }
}

fn ended(verdict: CommitVerdict, settled: Settled) -> Settled {
    match verdict {
        CommitVerdict::Committed => settled,
        CommitVerdict::TermOver => Settled::TermOver,
    }
}

fn hit(name: &'static str) -> Result<(), SettleError> {
    failpoint::hit(name)
        .map_err(|source| SettleError::Storage(StorageError::Io { action: "settle", path: name.to_owned(), source }))
}
