//! Committing: `element.json` and the row change, in the order that leaves the more restrictive mode whatever happens.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};
use storage_element_crds::{Mode, Step};
use uuid::Uuid;

use super::drain::Drain;
use super::request::{invalid, refused};
use super::{ModeAnswer, ModeChanges, ModeError, ModeRequest};
use crate::catalog::{CatalogError, ModeChange, Transition, TransitionVerdict};
use crate::element::ElementFile;
use crate::failpoint;
use crate::model::{OperationType, Timestamp, WalRow, WalStatus};
use crate::storage::{Document, Prepared, StorageError};

impl ModeChanges {
    pub(super) async fn commit(&self, request: &ModeRequest, transition: Transition) -> Result<ModeAnswer, ModeError> {
        match self.running().filter(|(running, _)| *running == transition) {
            Some((_, Drain::Draining)) => {
                return Err(ModeError::InProgress("running writes have not ended yet: repeat the commit".to_owned()));
            }
            Some((_, Drain::Ended(reason))) => return Err(invalid(format!("the change has ended: {reason}"))),
            Some((_, Drain::Prepared)) | None => {}
        }
        let previous = self.element.mode();
        let folder = self.folder(&transition);
        let prepare = |document| self.storage.prepare_document(document, &folder);
        // Before the catalog is asked: who takes over after its answer takes away what is prepared here.
        let element_file = prepare(Document::Element).await?;
        let report = match &request.report {
            Some(report) => {
                let bytes = serde_json::to_vec_pretty(report).unwrap_or_default();
                Some((prepare(Document::Report(transition.id.clone())).await?, bytes))
            }
            None => None,
        };
        match self.catalog.may_commit(self.guard().await?, &transition).await? {
            TransitionVerdict::Done(_) => {}
            verdict => return Err(refused(verdict, &transition)),
        }
        if let (true, Some(term)) = (previous.is_writable(), self.element.term())
            && !self.storage.staging_is_empty(term).await?
        {
            return Err(ModeError::InProgress("something is still staged: repeat the commit".to_owned()));
        }
        if let Some((prepared, bytes)) = report {
            injected("mode.before_report")?;
            self.storage.replace_document(prepared, bytes.into()).await?;
        }
        let change = self.mode_change(request, &transition, previous);
        let file = ElementFile {
            mode: transition.target,
            mode_changed_at: change.at,
            last_transition_id: Some(transition.id.clone()),
            last_rollback_id: request.rollback_request_id.clone().or(self.element.file().last_rollback_id),
            ..self.element.file()
        };
        if previous.step_to(transition.target) == Step::Forward {
            self.write_file(element_file, &file).await?;
            self.ended_here(file);
            injected("mode.before_row")?;
            self.write_row(&change, &transition).await?;
            injected("mode.after_row")?;
        } else {
            injected("mode.before_row")?;
            self.write_row(&change, &transition).await?;
            injected("mode.after_row")?;
            self.write_file(element_file, &file).await?;
            if let (true, Some(term)) = (transition.target.is_writable(), self.element.term()) {
                self.storage.begin_term(term).await?;
            }
            self.ended_here(file);
            self.reopen();
        }
        tracing::info!(from = %previous, to = %transition.target, transition = transition.id, by = request.by, "the mode has changed");
        Ok(self.answer(previous, "committed"))
    }

    fn mode_change(&self, request: &ModeRequest, transition: &Transition, previous: Mode) -> ModeChange {
        let at = Timestamp::now();
        let data = json!({
            "from": previous,
            "to": transition.target,
            "transition_id": transition.id,
            "attempt": transition.attempt,
            "reason": request.reason,
            "rollback_request_id": request.rollback_request_id,
        });
        // One id for one attempt: a commit whose answer was lost is recognised. The mode that is left has been in force
        // since a moment of its own, so that a name used again, years later, does not pass for done.
        let since = self.element.view().mode_changed_at.micros();
        let name = format!("{}/{}/{since}", transition.id, transition.attempt);
        ModeChange {
            transition: transition.clone(),
            at,
            by: request.by.clone(),
            row: WalRow {
                transaction_id: transaction_of(&name),
                operation_type: OperationType::ModeChange,
                status: WalStatus::Committed,
                file_id: None,
                operation_data: data,
                error_message: None,
                started_at: at,
                completed_at: Some(at),
                duration_ms: Some(0),
                user_id: Some(request.by.clone()),
                epoch: self.element.view().epoch,
            },
        }
    }

    async fn write_file(&self, prepared: Prepared, file: &ElementFile) -> Result<(), ModeError> {
        injected("mode.before_element_file")?;
        let bytes = file.to_bytes().map_err(|error| StorageError::Io {
            action: "write",
            path: Document::Element.path(),
            source: std::io::Error::other(error),
        })?;
        self.storage.replace_document(prepared, bytes).await?;
        injected("mode.after_element_file")
    }

    /// The row, asked for again while the catalog does not answer: forward, `element.json` has spoken already.
    async fn write_row(&self, change: &ModeChange, transition: &Transition) -> Result<(), ModeError> {
        let mut tries = 0;
        loop {
            match self.catalog.commit_mode(self.guard().await?, change).await {
                Ok(TransitionVerdict::Done(_)) => return Ok(()),
                Ok(verdict) if self.element.mode() == transition.target => {
                    return Err(ModeError::OutcomeUnknown(refused(verdict, transition).to_string()));
                }
                Ok(verdict) => return Err(refused(verdict, transition)),
                Err(CatalogError::Unavailable { .. }) if tries < 5 => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(100 << tries)).await;
                }
                Err(error) if self.element.mode() == transition.target => {
                    return Err(ModeError::OutcomeUnknown(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A transaction id that follows from a name.
fn transaction_of(name: &str) -> Uuid {
    let hash = Sha256::digest(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn injected(point: &'static str) -> Result<(), ModeError> {
    failpoint::hit(point)
        .map_err(|source| ModeError::Storage(StorageError::Io { action: "pass", path: point.to_owned(), source }))
}
