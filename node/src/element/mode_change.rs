//! Changing the mode: close the door, hold it durable, commit, in an order that no crash can turn around.
//!
//! Source of the rules: the product specification, `10-node`, section Mode changes, node side. Forward, `element.json`
//! is written before the row; back, after it: of two records that differ the more restrictive one is true.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use storage_element_crds::Mode;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::step::{Phase, Plan, Standing, plan, standing};
use super::{Closed, Door, Element, ElementFile};
use crate::catalog::{CatalogError, ModeChange, RowGuard, SharedCatalog, Transition, TransitionVerdict};
use crate::failpoint;
use crate::model::{OperationType, Timestamp, WalRow, WalStatus};
use crate::storage::{SharedStorage, StorageError};

/// How long a prepared change holds the door before it ends by itself.
const HOLD_SECONDS: u32 = 120;
/// How long operations past their intent may take to end once their clients are cut off.
const CUT_PATIENCE: Duration = Duration::from_secs(15);
/// How often a prepared change is looked at, to see whether its time is over.
const LOOK: Duration = Duration::from_secs(1);

/// A wish to change the mode.
#[derive(Clone, Debug)]
pub struct ModeRequest {
    /// The mode asked for.
    pub mode: Mode,
    /// One part of the change; all of it when not said.
    pub phase: Option<Phase>,
    /// Names the change; every phase repeats it.
    pub transition_id: Option<String>,
    /// Rises when the orchestrator starts over.
    pub attempt: Option<u64>,
    /// The step back is meant.
    pub confirm: bool,
    /// Why.
    pub reason: Option<String>,
    /// How long running writes may take to end by themselves.
    pub drain_timeout: Duration,
    /// Names a rollback, so that it is done once.
    pub rollback_request_id: Option<String>,
    /// The proof to be kept beside the data; with `commit` only.
    pub report: Option<Map<String, Value>>,
    /// Who asks.
    pub by: String,
}

/// How far a change has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeAnswer {
    /// The mode in force.
    pub mode: Mode,
    /// The mode before.
    pub previous: Mode,
    /// Since when the mode is in force.
    pub since: Timestamp,
    /// `draining`, `prepared`, `committed` or `aborted`.
    pub phase: &'static str,
}

/// Why a mode was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    /// A phase without what it needs (400).
    #[error("{0}")]
    Invalid(&'static str),
    /// There is no such step, or the phases come in the wrong order (409).
    #[error("{message}")]
    InvalidTransition {
        /// What is wrong and what would be right.
        message: String,
        /// The attempt that stands, where a lower one came.
        attempt: Option<u64>,
    },
    /// A step back that nobody confirmed (409).
    #[error("going back from {from} to {to} has to be confirmed: send \"confirm\": true")]
    ConfirmationRequired {
        /// The mode in force.
        from: Mode,
        /// The mode asked for.
        to: Mode,
    },
    /// Another change is on its way, or this one still drains (503).
    #[error("{0}")]
    InProgress(String),
    /// The catalog is being made again, or what was interrupted is being settled (503).
    #[error("the element is recovering: the mode can be changed once it is ready")]
    Recovering,
    /// This node is not the one that may (503).
    #[error("this node is not the master any more")]
    NotMaster,
    /// The catalog does not answer (503).
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The storage does not answer (503).
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// `element.json` says the new mode, the catalog does not yet (503).
    #[error("the mode is changed, the catalog does not know yet: {0}")]
    OutcomeUnknown(String),
}

/// How a drain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Drain {
    Draining,
    Prepared,
    Ended(String),
}

struct Current {
    transition: Transition,
    drain: watch::Receiver<Drain>,
    cancel: CancellationToken,
}

/// Mode changes of one element, one request at a time.
pub struct ModeChanges {
    element: Arc<Element>,
    storage: SharedStorage,
    catalog: SharedCatalog,
    turn: tokio::sync::Mutex<()>,
    current: Mutex<Option<Current>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl ModeChanges {
    /// Mode changes of `element`; what runs in the background ends with `stop`.
    pub fn new(element: Arc<Element>, storage: SharedStorage, catalog: SharedCatalog, stop: CancellationToken) -> Self {
        Self {
            element,
            storage,
            catalog,
            turn: tokio::sync::Mutex::default(),
            current: Mutex::default(),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Returns when nothing runs in the background any more. To be called after `stop`.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Changes the mode, or does one phase of it.
    pub async fn change(self: &Arc<Self>, request: ModeRequest) -> Result<ModeAnswer, ModeError> {
        if !self.element.catalog_trusted() {
            // Recovery opens the door when it ends: a change would be let down by it.
            return Err(ModeError::Recovering);
        }
        // A task of its own: a client that goes away must not stop a change between its file and its row.
        let this = Arc::clone(self);
        let work = self.tasks.spawn(async move { this.carry_out(request).await });
        work.await.unwrap_or_else(|error| Err(ModeError::OutcomeUnknown(error.to_string())))
    }

    async fn carry_out(self: &Arc<Self>, request: ModeRequest) -> Result<ModeAnswer, ModeError> {
        let Ok(turn) = self.turn.try_lock() else {
            return Err(ModeError::InProgress("another request about the mode is being carried out".to_owned()));
        };
        let mode = self.element.mode();
        if request.phase == Some(Phase::Abort) {
            return self.abort(&request).await;
        }
        match plan(mode, request.mode, request.confirm) {
            Plan::Nothing => return Ok(self.answer(mode, "committed")),
            Plan::NoSuchStep => return Err(no_such_step(mode, request.mode)),
            Plan::Unconfirmed => return Err(ModeError::ConfirmationRequired { from: mode, to: request.mode }),
            Plan::Forward | Plan::Back => {}
        }
        match request.phase {
            Some(Phase::Prepare) => self.prepare(&request, named(&request)?).await,
            Some(_) => self.commit(&request, named(&request)?).await,
            None => {
                let id = request.transition_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string());
                let transition = Transition { id, attempt: request.attempt.unwrap_or(1), target: request.mode };
                let result = self.all(&request, transition.clone()).await;
                if result.is_err() && self.element.mode() == mode {
                    self.take_back(&transition.id).await;
                }
                drop(turn);
                result
            }
        }
    }

    async fn all(self: &Arc<Self>, request: &ModeRequest, transition: Transition) -> Result<ModeAnswer, ModeError> {
        self.prepare(request, transition.clone()).await?;
        let drain = self.current.lock().as_ref().map(|current| current.drain.clone());
        if let Some(mut drain) = drain {
            let ended = drain.wait_for(|drain| *drain != Drain::Draining).await.map(|drain| drain.clone());
            match ended {
                Ok(Drain::Prepared) => {}
                Ok(Drain::Ended(reason)) => return Err(ModeError::InProgress(reason)),
                Ok(Drain::Draining) | Err(_) => return Err(ModeError::InProgress("the node is stopping".to_owned())),
            }
        }
        self.commit(request, transition).await
    }

    async fn prepare(self: &Arc<Self>, request: &ModeRequest, transition: Transition) -> Result<ModeAnswer, ModeError> {
        let mode = self.element.mode();
        let row = self.catalog.config().await?.ok_or(ModeError::NotMaster)?;
        let now = self.catalog.now().await?;
        let durable = row.transition.as_ref().filter(|_| row.prepared_until.is_some_and(|until| until > now));
        let running = self.running();
        for stands in [durable, running.as_ref().map(|(transition, _)| transition)] {
            refuse_against(stands, &transition)?;
        }
        let running = running.filter(|(running, _)| *running == transition).map(|(_, drain)| drain);
        match running {
            Some(Drain::Draining) => return Ok(self.answer(mode, "draining")),
            Some(Drain::Prepared) => {
                self.hold(&transition).await?;
                return Ok(self.answer(mode, "prepared"));
            }
            Some(Drain::Ended(_)) | None => {}
        }
        if !mode.is_writable() {
            // Nothing is written in a sealed mode, so there is nothing to drain.
            self.hold(&transition).await?;
            return Ok(self.answer(mode, "prepared"));
        }
        self.drain(transition, request.drain_timeout);
        Ok(self.answer(mode, "draining"))
    }

    /// Closes the door, then in the background waits for running writes, ends those still streaming, and holds the
    /// change durable, until it is committed, taken back, or its time is over.
    fn drain(self: &Arc<Self>, transition: Transition, patience: Duration) {
        let cancel = self.stop.child_token();
        let (state, drain) = watch::channel(Drain::Draining);
        let earlier =
            self.current.lock().replace(Current { transition: transition.clone(), drain, cancel: cancel.clone() });
        if let Some(earlier) = earlier {
            earlier.cancel.cancel();
        }
        self.element.gate().close(Closed::Transition, false);
        self.element.set_transition(Some((transition.clone(), None)));
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let work = this.drained_and_held(&transition, patience, &state);
            let ended = cancel.run_until_cancelled(work).await;
            // Cancelled: whoever cancelled it sees to the door.
            if let Some(reason) = ended {
                tracing::warn!(
                    transition = transition.id,
                    reason,
                    "a mode change was not committed; writes are taken again"
                );
                state.send_replace(Drain::Ended(reason));
                this.reopen();
            }
        });
    }

    /// Returns, with the reason, when the change has ended without commit or abort.
    async fn drained_and_held(
        &self,
        transition: &Transition,
        patience: Duration,
        state: &watch::Sender<Drain>,
    ) -> String {
        let gate = self.element.gate();
        if timeout(patience, gate.emptied()).await.is_err() {
            gate.close(Closed::Transition, true);
            if timeout(CUT_PATIENCE, gate.emptied()).await.is_err() {
                return format!("{} writes have not ended", gate.inside());
            }
        }
        if let Err(error) = self.hold(transition).await {
            return error.to_string();
        }
        state.send_replace(Drain::Prepared);
        loop {
            tokio::time::sleep(LOOK).await;
            let (Ok(Some(row)), Ok(now)) = (self.catalog.config().await, self.catalog.now().await) else { continue };
            let stands = row.transition.as_ref() == Some(transition);
            if !stands || row.prepared_until.is_none_or(|until| until <= now) {
                return "it was prepared and not committed in time".to_owned();
            }
        }
    }

    /// Writes the change and until when it holds the door into the catalog, or extends it.
    async fn hold(&self, transition: &Transition) -> Result<(), ModeError> {
        match self.catalog.prepare(self.guard().await?, transition, HOLD_SECONDS).await? {
            TransitionVerdict::Done(row) => {
                self.element.set_transition(Some((transition.clone(), row.prepared_until)));
                Ok(())
            }
            verdict => Err(refused(verdict, transition)),
        }
    }

    async fn commit(&self, request: &ModeRequest, transition: Transition) -> Result<ModeAnswer, ModeError> {
        match self.running().filter(|(running, _)| *running == transition) {
            Some((_, Drain::Draining)) => {
                return Err(ModeError::InProgress("running writes have not ended yet: repeat the commit".to_owned()));
            }
            Some((_, Drain::Ended(reason))) => return Err(invalid(format!("the change has ended: {reason}"))),
            Some((_, Drain::Prepared)) | None => {}
        }
        let previous = self.element.mode();
        match self.catalog.may_commit(self.guard().await?, &transition).await? {
            TransitionVerdict::Done(_) => {}
            verdict => return Err(refused(verdict, &transition)),
        }
        if let (true, Some(term)) = (previous.is_writable(), self.element.term())
            && !self.storage.staging_is_empty(term).await?
        {
            return Err(ModeError::InProgress("something is still staged: repeat the commit".to_owned()));
        }
        let folder = self.folder(&transition);
        if let Some(report) = &request.report {
            injected("mode.before_report")?;
            let bytes = serde_json::to_vec_pretty(report).unwrap_or_default();
            self.storage.write_transition_report(&folder, &transition.id, bytes.into()).await?;
        }
        let change = self.mode_change(request, &transition, previous);
        let file = ElementFile {
            mode: transition.target,
            mode_changed_at: change.at,
            last_transition_id: Some(transition.id.clone()),
            last_rollback_id: request.rollback_request_id.clone().or(self.element.file().last_rollback_id),
            ..self.element.file()
        };
        if previous.step_to(transition.target) == storage_element_crds::Step::Forward {
            self.write_file(&folder, &file).await?;
            self.ended_here(file);
            injected("mode.before_row")?;
            self.write_row(&change, &transition).await?;
            injected("mode.after_row")?;
        } else {
            injected("mode.before_row")?;
            self.write_row(&change, &transition).await?;
            injected("mode.after_row")?;
            self.write_file(&folder, &file).await?;
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
        // One id for one attempt: a commit whose answer was lost is recognised.
        let name = format!("{}/{}", transition.id, transition.attempt);
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

    async fn write_file(&self, folder: &str, file: &ElementFile) -> Result<(), ModeError> {
        injected("mode.before_element_file")?;
        let bytes = file.to_bytes().map_err(|error| StorageError::Io {
            action: "write",
            path: ".element/element.json".to_owned(),
            source: std::io::Error::other(error),
        })?;
        self.storage.replace_element_file(folder, bytes).await?;
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

    async fn abort(&self, request: &ModeRequest) -> Result<ModeAnswer, ModeError> {
        let id = request.transition_id.as_deref().ok_or(ModeError::Invalid("abort needs transition_id"))?;
        let mode = self.element.mode();
        if let Some((running, _)) = self.running() {
            if running.id != id {
                return Err(ModeError::InProgress(format!("another mode change ({}) is in progress", running.id)));
            }
            if request.attempt.is_some_and(|attempt| attempt < running.attempt) {
                return Err(lower_attempt(running.attempt));
            }
        }
        match self.catalog.abort(self.guard().await?, id).await? {
            TransitionVerdict::Done(_) | TransitionVerdict::NotPrepared => {}
            verdict => {
                let asked = Transition { id: id.to_owned(), attempt: request.attempt.unwrap_or(0), target: mode };
                return Err(refused(verdict, &asked));
            }
        }
        self.forget();
        self.reopen();
        Ok(self.answer(mode, "aborted"))
    }

    /// Takes back a change that could not be done whole; what does not succeed here ends by its own time.
    async fn take_back(&self, id: &str) {
        if let Ok(guard) = self.guard().await
            && let Err(error) = self.catalog.abort(guard, id).await
        {
            tracing::warn!(%error, "a prepared mode change ends by itself, not at once");
        }
        self.forget();
        self.reopen();
    }

    /// The change is done: nothing waits for it any more.
    fn ended_here(&self, file: ElementFile) {
        self.element.set_file(file);
        self.forget();
    }

    fn forget(&self) {
        if let Some(current) = self.current.lock().take() {
            current.cancel.cancel();
        }
        self.element.set_transition(None);
    }

    /// Takes writes again, if it was a change of mode that kept them out and the mode allows any.
    fn reopen(&self) {
        self.element.set_transition(None);
        let held = match self.element.gate().door() {
            Door::Closed { reason: Closed::Transition, .. } => true,
            // An element that was sealed when this process started has never opened.
            Door::Closed { reason: Closed::Recovering(_), .. } => self.element.catalog_trusted(),
            _ => false,
        };
        if held {
            self.element.recovered();
        }
    }

    fn running(&self) -> Option<(Transition, Drain)> {
        self.current.lock().as_ref().map(|current| (current.transition.clone(), current.drain.borrow().clone()))
    }

    /// By which right the row is changed: the term's, or where there is no master, the latest version seen.
    async fn guard(&self) -> Result<RowGuard, ModeError> {
        if self.element.mode().is_writable()
            && let Some(term) = self.element.term()
        {
            return Ok(RowGuard::Term(term));
        }
        let row = self.catalog.config().await?.ok_or(ModeError::NotMaster)?;
        Ok(RowGuard::Version(row.row_version))
    }

    /// Where the next `element.json` is staged: the term's folder, or where there is no master, the change's own.
    fn folder(&self, transition: &Transition) -> String {
        match self.element.term() {
            Some(term) if self.element.mode().is_writable() => term.to_string(),
            _ => format!("{}-{}", transition.id, transition.attempt),
        }
    }

    fn answer(&self, previous: Mode, phase: &'static str) -> ModeAnswer {
        let view = self.element.view();
        ModeAnswer { mode: view.mode, previous, since: view.mode_changed_at, phase }
    }
}

/// The transition that a phase names.
fn named(request: &ModeRequest) -> Result<Transition, ModeError> {
    match (&request.transition_id, request.attempt) {
        (Some(id), Some(attempt)) => Ok(Transition { id: id.clone(), attempt, target: request.mode }),
        _ => Err(ModeError::Invalid("a phase needs transition_id and attempt")),
    }
}

fn refuse_against(stands: Option<&Transition>, asked: &Transition) -> Result<(), ModeError> {
    match (standing(stands, asked), stands) {
        (Standing::LowerAttempt, Some(stands)) => Err(lower_attempt(stands.attempt)),
        (Standing::Others, Some(stands)) => {
            Err(ModeError::InProgress(format!("another mode change ({}) is in progress", stands.id)))
        }
        _ => Ok(()),
    }
}

fn refused(verdict: TransitionVerdict, asked: &Transition) -> ModeError {
    match verdict {
        TransitionVerdict::Done(_) | TransitionVerdict::NotPrepared => {
            invalid("this change is not prepared, or its time is over: prepare it first".to_owned())
        }
        TransitionVerdict::Overtaken => ModeError::NotMaster,
        TransitionVerdict::Other(stands) => match refuse_against(Some(&stands), asked) {
            Err(error) => error,
            Ok(()) => ModeError::InProgress("another attempt of this mode change is in progress".to_owned()),
        },
        TransitionVerdict::OpenTransactions(count) => ModeError::InProgress(format!(
            "{count} transactions are not settled: see GET /api/v1/admin/wal, then repeat the commit"
        )),
    }
}

fn no_such_step(from: Mode, to: Mode) -> ModeError {
    let message = match (from, to) {
        (Mode::Edit, _) | (_, Mode::Edit) => {
            format!("there is no step from {from} to {to}: edit is never entered or left")
        }
        _ => format!("there is no step from {from} to {to}: the life of an element is rw, ro, ar, one step at a time"),
    };
    invalid(message)
}

fn lower_attempt(attempt: u64) -> ModeError {
    let message = format!("attempt {attempt} of this mode change has begun: a lower one is refused");
    ModeError::InvalidTransition { message, attempt: Some(attempt) }
}

const fn invalid(message: String) -> ModeError {
    ModeError::InvalidTransition { message, attempt: None }
}

/// A transaction id that follows from a name.
fn transaction_of(name: &str) -> Uuid {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(name.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn injected(point: &'static str) -> Result<(), ModeError> {
    failpoint::hit(point)
        .map_err(|source| ModeError::Storage(StorageError::Io { action: "pass", path: point.to_owned(), source }))
}
