//! What the element's row says, and what follows from it for this node.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::follow::Sighting;
use super::life::{Life, Mastering};
use crate::catalog::ConfigRow;
use crate::commands::CommandError;
use crate::commands::opening::OpeningError;
use crate::commands::serve::running::Running;
use crate::config::Config;
use crate::election::Election;
use crate::element::{self, Adoption, CatalogFound, ElementFile, Found, StorageFound};
use crate::model::Term;

/// How long the two records of the mode may differ before an election is held over it: whoever changes it writes them
/// one after the other.
const MODE_SETTLES: Duration = Duration::from_secs(5);

/// How long `element.json` may be absent beside a row of the element before the volume is taken for the wrong one.
const FILE_COMES: Duration = Duration::from_secs(30);

impl Life<'_> {
    /// The row was looked at.
    pub(super) async fn saw(&mut self) -> Result<(), CommandError> {
        let sighting = self.sightings.borrow_and_update().clone();
        match sighting {
            Sighting::Nothing => {}
            Sighting::Unusable(reason) => return Err(CommandError::Other(reason)),
            Sighting::New => {
                let new = matches!(self.rooms.storage.element_file().await, Ok(None))
                    && matches!(self.rooms.storage.holds_files().await, Ok(false));
                self.stand(new)?;
            }
            Sighting::Element(seen) => {
                let (row, file) = *seen;
                self.saw_element(&row, file.as_ref()).await?;
            }
        }
        Ok(())
    }

    async fn saw_element(&mut self, row: &ConfigRow, file: Option<&ElementFile>) -> Result<(), CommandError> {
        if let Some(taken_over) = self.mastering.as_ref().and_then(|mastering| mastering.taken_over.as_ref()) {
            if row.epoch > taken_over.term.epoch {
                let epoch = row.epoch;
                self.passed(&format!("another process has begun term {epoch}")).await;
            }
        } else if self.running.is_none() && row.epoch > 0 {
            self.begin_serving(row, file).await?;
        }
        if self.wants_master(row, file) {
            self.stand(false)?;
        } else if self.mastering.as_ref().is_none_or(|mastering| mastering.open) && self.running.is_some() {
            self.seal().await;
        }
        self.tell_master();
        Ok(())
    }

    /// Serves reads, if storage and catalog belong together.
    async fn begin_serving(&mut self, row: &ConfigRow, file: Option<&ElementFile>) -> Result<(), CommandError> {
        let Some(file) = file else {
            // It was looked for before the row was read: a master that has just made both is no reason to give up.
            if self.without_file.get_or_insert_with(Instant::now).elapsed() < FILE_COMES {
                return Ok(());
            }
            return Err(CommandError::Other(format!(
                "the catalog belongs to element {}, but the storage {} has no .element/element.json: is the right volume \
                 mounted?",
                row.element_id,
                self.rooms.storage.place()
            )));
        };
        match verdict(&self.config, row, file) {
            element::Verdict::Refuse(reason) => {
                Err(CommandError::Other(format!("{reason} (looked at storage {})", self.rooms.storage.place())))
            }
            // An older catalog is the master's to make again.
            element::Verdict::Serve { rebuild: true, .. } => Ok(()),
            _ => {
                let file = ElementFile { mode: row.mode, mode_changed_at: row.mode_changed_at, ..file.clone() };
                if let Err(error) = self.serve(file, None).await {
                    tracing::warn!(%error, "a standby cannot serve yet");
                } else if let Some(running) = &self.running {
                    running.element.follow(row, running.element.file(), running.element.changes());
                    self.interrupt_own_jobs(row).await;
                    tracing::info!(mode = %row.mode, epoch = row.epoch, master = row.master, "a standby: serving reads");
                }
                Ok(())
            }
        }
    }

    /// Jobs that an earlier life of this pod had not ended, where no takeover looks after them.
    async fn interrupt_own_jobs(&self, row: &ConfigRow) {
        if row.mode.is_writable() {
            return;
        }
        match self.rooms.catalog.interrupt_jobs(Some(&self.election.node())).await {
            Ok(0) => {}
            Ok(interrupted) => {
                tracing::warn!(interrupted, "jobs of an earlier process had not ended: start them again");
            }
            Err(error) => tracing::warn!(%error, "jobs of an earlier process could not be looked for"),
        }
    }

    /// Whether the element needs a master: to write, or to bring catalog and storage together first.
    fn wants_master(&mut self, row: &ConfigRow, file: Option<&ElementFile>) -> bool {
        let Some(file) = file else { return true };
        if row.epoch == 0 || row.needs_rebuild {
            return true;
        }
        let element::Verdict::Serve { rebuild, mode } = verdict(&self.config, row, file) else { return true };
        if !rebuild && row.mode.is_writable() && mode != row.mode && self.mastering.is_none() {
            // A step back is written to the row first: a master would take it back before it is done.
            return self.contradicting.get_or_insert_with(Instant::now).elapsed() > MODE_SETTLES;
        }
        self.contradicting = None;
        rebuild || row.mode.is_writable()
    }

    /// Becomes a candidate, if it is not one.
    fn stand(&mut self, new: bool) -> Result<(), CommandError> {
        if self.keeper.is_some() {
            return Ok(());
        }
        let (identity, keeper) = self.candidate.stand(new)?;
        self.election.stands(identity, Arc::clone(&keeper));
        let mut belief = keeper.belief();
        // What was believed before this line counts too.
        belief.mark_changed();
        self.belief = Some(belief);
        (self.keeper, self.over, self.sealed) = (Some(keeper), None, false);
        Ok(())
    }

    /// Makes what serves the element, and opens the API.
    pub(super) async fn serve(&mut self, file: ElementFile, term: Option<Term>) -> Result<(), OpeningError> {
        let running = Running::begin(self.process, Arc::clone(&self.rooms), file, term).await?;
        self.state.front().authenticator.serves(running.element_id());
        self.follower.tells(&running.element);
        self.state.open(running.services(self.process, self.election.mastership().clone()));
        self.running = Some(Arc::new(running));
        Ok(())
    }

    /// In this mode nobody is master: the term ends, the Lease is given up, and every node is equal.
    async fn seal(&mut self) {
        if self.sealed {
            return;
        }
        if let Some(Mastering { taken_over: Some(taken_over), .. }) = self.mastering.take() {
            if let Some(running) = &self.running {
                running.element.end_term();
            }
            self.rooms.catalog.end_term();
            if let Err(error) = self.rooms.storage.end_term(taken_over.term).await {
                tracing::warn!(%error, "the staging folder stays");
            }
        }
        self.holding.send_replace(false);
        self.withdraw(true);
        tracing::info!("no election runs in this mode: every node is equal");
    }
}

fn verdict(config: &Config, row: &ConfigRow, file: &ElementFile) -> element::Verdict {
    let storage =
        Found { element_id: file.element_id, catalog_id: file.catalog_id, epoch: file.epoch, mode: file.mode };
    let catalog = Found { element_id: row.element_id, catalog_id: row.catalog_id, epoch: row.epoch, mode: row.mode };
    let (storage, catalog) = (StorageFound::Element(storage), CatalogFound::Element(catalog));
    element::judge(storage, catalog, Adoption::Only(None), config.element.id)
}
