//! Closing the door: running writes end, then the change is held durable until it is committed or its time is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::request::{refuse_against, refused};
use super::{ModeAnswer, ModeChanges, ModeError, ModeRequest};
use crate::catalog::{Transition, TransitionVerdict};
use crate::element::Closed;

/// How long a prepared change holds the door before it ends by itself.
const HOLD_SECONDS: u32 = 120;
/// How long operations past their intent may take to end once their clients are cut off.
const CUT_PATIENCE: Duration = Duration::from_secs(15);
/// How often a prepared change is looked at, to see whether its time is over.
const LOOK: Duration = Duration::from_secs(1);

/// How a drain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Drain {
    Draining,
    Prepared,
    Ended(String),
}

/// The change that is on its way in this process.
pub(super) struct Current {
    pub(super) transition: Transition,
    pub(super) drain: watch::Receiver<Drain>,
    pub(super) cancel: CancellationToken,
}

impl ModeChanges {
    pub(super) async fn prepare(
        self: &Arc<Self>,
        request: &ModeRequest,
        transition: Transition,
    ) -> Result<ModeAnswer, ModeError> {
        let mode = self.element.mode();
        let row = self.catalog.config().await?.ok_or(ModeError::NotMaster)?;
        let now = self.catalog.now().await?;
        let durable = row.transition.as_ref().filter(|_| row.prepared_until.is_some_and(|until| until > now));
        let running = self.running();
        let at_work = running.as_ref().filter(|(_, drain)| !matches!(drain, Drain::Ended(_)));
        for stands in [durable, at_work.map(|(transition, _)| transition)] {
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

    /// Goes on with a change that was prepared before this node became master, until it is committed, taken back, or its
    /// time is over. To be called once recovery has let writes in; before that the catalog keeps them out.
    pub async fn inherit(self: &Arc<Self>) -> Result<(), ModeError> {
        let _turn = self.turn.lock().await;
        let (row, now) = (self.catalog.config().await?, self.catalog.now().await?);
        let Some((transition, until)) = row.and_then(|row| row.transition.zip(row.prepared_until)) else {
            return Ok(());
        };
        if until > now {
            tracing::warn!(transition = transition.id, target = %transition.target, "a prepared mode change goes on");
            if self.element.mode().is_writable() {
                self.drain(transition, Duration::ZERO);
            } else {
                self.element.set_transition(Some((transition, Some(until))));
            }
        }
        Ok(())
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
}
