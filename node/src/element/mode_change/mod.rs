//! Changing the mode: close the door, hold it durable, commit, in an order that no crash can turn around.
//!
//! Source of the rules: the product specification, `10-node`, section Mode changes, node side. Forward, `element.json`
//! is written before the row; back, after it: of two records that differ the more restrictive one is true.

mod commit;
mod drain;
mod request;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage_element_crds::Mode;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::drain::{Current, Drain};
pub use self::request::{ModeAnswer, ModeError, ModeRequest};
use self::request::{lower_attempt, named, no_such_step, refused};
use super::step::{Phase, Plan, plan};
use super::{Closed, Door, Element, ElementFile};
use crate::catalog::{RowGuard, SharedCatalog, Transition, TransitionVerdict};
use crate::storage::SharedStorage;

/// How long a request waits for the one before it, or for a change being inherited at the start: these take a moment.
/// A whole change takes as long as it drains; who comes meanwhile is told so.
const TURN_PATIENCE: Duration = Duration::from_secs(2);

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
        let Ok(turn) = timeout(TURN_PATIENCE, self.turn.lock()).await else {
            return Err(ModeError::InProgress("another request about the mode is being carried out".to_owned()));
        };
        let mode = self.element.mode();
        if mode.is_writable() && self.element.term().is_none() {
            return Err(ModeError::NotMaster);
        }
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
                    self.take_back(&transition).await;
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

    async fn abort(&self, request: &ModeRequest) -> Result<ModeAnswer, ModeError> {
        let id = request.transition_id.as_deref().ok_or(ModeError::Invalid("abort needs transition_id"))?;
        let mode = self.element.mode();
        if let Some((running, drain)) = self.running() {
            if running.id != id && !matches!(drain, Drain::Ended(_)) {
                return Err(ModeError::InProgress(format!("another mode change ({}) is in progress", running.id)));
            }
            if running.id == id && request.attempt.is_some_and(|attempt| attempt < running.attempt) {
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
    async fn take_back(&self, transition: &Transition) {
        // Refused because another one, or another attempt, stands: that one goes on.
        if self.element.view().transition.is_some_and(|(standing, _)| standing != *transition) {
            return;
        }
        if let Ok(guard) = self.guard().await
            && let Err(error) = self.catalog.abort(guard, &transition.id).await
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

    /// The term of this node is over: a change on its way is the successor's, who inherits it.
    pub fn term_over(&self) {
        if let Some(current) = self.current.lock().take() {
            current.cancel.cancel();
        }
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
        if self.element.mode().is_writable() {
            // A standby changes nothing, not even by being the latest to look.
            return self.element.term().map(RowGuard::Term).ok_or(ModeError::NotMaster);
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
