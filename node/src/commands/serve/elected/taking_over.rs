//! Being elected: the term begins, what was interrupted is settled, writes are let in.

use std::sync::Arc;

use storage_lease::Belief;
use tokio::time::Instant;

use super::life::{Life, Mastering};
use super::term::{self, Step, Verdict};
use crate::commands::CommandError;
use crate::commands::opening::OpeningError;
use crate::settling::TakenOver;

impl Life<'_> {
    pub(super) fn believe(&mut self, belief: &Belief) {
        match belief {
            Belief::Holding { transitions } if self.over == Some(*transitions) => {}
            Belief::Holding { transitions } => {
                if self.mastering.as_ref().is_some_and(|mastering| mastering.transitions == *transitions) {
                    return;
                }
                self.lose("another term of the Lease has begun");
                tracing::info!(transitions, "elected: this node takes over");
                self.mastering =
                    Some(Mastering { transitions: *transitions, failing: None, taken_over: None, open: false });
                self.holding.send_replace(true);
                self.take_over(false);
            }
            Belief::Following { .. } | Belief::Unknown => self.lose("the Lease is not held any more"),
        }
        self.tell_master();
    }

    fn take_over(&mut self, again: bool) {
        let Some(mastering) = &self.mastering else { return };
        let (rooms, config) = (Arc::clone(&self.rooms), Arc::clone(&self.config));
        match (&mastering.taken_over, &self.running) {
            (Some(taken_over), Some(running)) => {
                let (running, stop) = (Arc::clone(running), self.process.stop.clone());
                self.work.spawn(term::open(running, taken_over.clone(), stop, again));
            }
            _ => drop(self.work.spawn(term::begin(rooms, config, mastering.transitions, again))),
        }
    }

    /// A part of a takeover has ended.
    pub(super) async fn stepped(&mut self, step: Step) -> Result<(), CommandError> {
        let done = match step {
            Step::Begun(Ok(taken_over)) => self.begun(taken_over).await,
            Step::Opened(Ok(())) => {
                self.opened();
                return Ok(());
            }
            Step::Begun(Err(error)) | Step::Opened(Err(error)) => Err(error),
        };
        let Err(error) = done else { return Ok(()) };
        match term::judge(&error) {
            Verdict::Never => {
                self.lose("it cannot take over");
                self.withdraw(false);
                return Err(error.into());
            }
            Verdict::Passed => self.passed(&error.to_string()).await,
            Verdict::Again => {
                tracing::warn!(%error, "the takeover is tried again");
                let patience = self.candidate.patience();
                let Some(mastering) = &mut self.mastering else { return Ok(()) };
                if mastering.failing.get_or_insert_with(Instant::now).elapsed() > patience {
                    self.stand_aside(&error.to_string()).await;
                } else {
                    self.take_over(true);
                }
            }
        }
        Ok(())
    }

    /// The epoch is raised: from here on this node is the master, though nothing is settled yet.
    async fn begun(&mut self, taken_over: TakenOver) -> Result<(), OpeningError> {
        let Some(mastering) = &mut self.mastering else { return Ok(()) };
        self.election.begins(mastering.transitions);
        self.process.metrics.takeover();
        let (file, term) = (taken_over.file.clone(), taken_over.term);
        match &self.running {
            Some(running) => running.element.begin_term(file, term, taken_over.needs_rebuild),
            None => self.serve(file, Some(term)).await?,
        }
        if let Some(mastering) = &mut self.mastering {
            (mastering.taken_over, mastering.failing) = (Some(taken_over), None);
        }
        self.tell_master();
        self.take_over(false);
        Ok(())
    }

    fn opened(&mut self) {
        let Some(mastering) = &mut self.mastering else { return };
        mastering.open = true;
        let epoch = mastering.taken_over.as_ref().map(|taken_over| taken_over.term.epoch);
        tracing::info!(epoch, transitions = mastering.transitions, "the master: open for writes");
    }
}
