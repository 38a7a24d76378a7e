//! The end in good order: writes drain, the Lease is given up for another to take at once, and reads go on a little.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::life::Life;
use crate::commands::serve::DRAIN_PATIENCE;
use crate::commands::serve::running::Running;
use crate::election::Election;
use crate::element::Closed;

/// How long requests are still answered after the Lease is given up: others learn meanwhile that this node is going.
const LINGER: Duration = Duration::from_secs(2);
/// Beyond the renew deadline the Lease runs out by itself.
const RELEASE_PATIENCE: Duration = Duration::from_secs(30);

impl Life<'_> {
    /// Takes no writes any more, waits for those that run, and releases the Lease; then ends what serves.
    pub(super) async fn leave(&mut self) {
        self.work.abort_all();
        let running = self.running.clone();
        if let Some(running) = &running {
            self.drain(running).await;
        }
        let term = running.as_ref().and_then(|running| running.element.term());
        if let Some(term) = term
            && let Err(error) = self.rooms.storage.end_term(term).await
        {
            tracing::warn!(%error, "the staging folder stays");
        }
        self.election.ends();
        self.rooms.catalog.end_term();
        if let Some(keeper) = self.keeper.take() {
            match timeout(RELEASE_PATIENCE, keeper.release()).await {
                Ok(ended) => tracing::info!(%ended, "the candidacy is over"),
                Err(_) => tracing::warn!("the Lease could not be released: it runs out by itself"),
            }
            self.election.withdraws(false);
        }
        // Writes that still come are told who the master is now, or passed on to it.
        sleep(LINGER).await;
        self.process.stop.cancel();
        if let Some(running) = running {
            let tasks = &self.process.tasks;
            let (modes, jobs) = (Arc::clone(&running.modes), Arc::clone(&running.jobs));
            tasks.spawn(async move {
                modes.ended().await;
                jobs.ended().await;
            });
            tasks.close();
            if timeout(self.process.config.limits.drain_timeout + DRAIN_PATIENCE, tasks.wait()).await.is_err() {
                tracing::warn!("some work has not ended in time");
            }
        }
        let _ = timeout(DRAIN_PATIENCE, self.rooms.catalog.close()).await;
    }

    async fn drain(&self, running: &Running) {
        let gate = running.element.gate();
        gate.close(Closed::Stopping, false);
        running.jobs.term_over();
        running.modes.term_over();
        if self.election.role() != crate::election::Role::Master {
            return;
        }
        if timeout(self.process.config.limits.drain_timeout, gate.emptied()).await.is_err() {
            gate.close(Closed::Stopping, true);
        }
        let ended = async {
            gate.emptied().await;
            running.files.drained().await;
        };
        if timeout(DRAIN_PATIENCE, ended).await.is_err() {
            tracing::warn!("some operations have not ended in time: the next master settles them");
        }
    }
}
