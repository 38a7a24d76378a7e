//! What happens to a node between its start and its end.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use storage_lease::{Belief, Ended, Keeper};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::candidacy::Candidate;
use super::follow::{Follower, Sighting};
use super::reaching::Reached;
use super::term::{self, Step, Verdict};
use super::wellness;
use crate::catalog::ConfigRow;
use crate::commands::CommandError;
use crate::commands::database::Shared;
use crate::commands::opening::{OpeningError, Rooms};
use crate::commands::serve::Process;
use crate::commands::serve::running::Running;
use crate::config::Config;
use crate::election::lease::LeaseElection;
use crate::election::{Election, MasterSeen, MastershipLost};
use crate::element::{self, Adoption, CatalogFound, ElementFile, Found, StorageFound};
use crate::http::AppState;
use crate::settling::TakenOver;

/// How long the two records of the mode may differ before an election is held over it: whoever changes it writes them
/// one after the other.
const MODE_SETTLES: Duration = Duration::from_secs(5);

/// A node, its part in the election, and what serves the element.
pub(super) struct Life<'a> {
    pub(super) process: &'a Process<'a>,
    state: &'a AppState,
    config: Arc<Config>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) election: Arc<LeaseElection>,
    candidate: Candidate,
    _shared: Shared,
    follower: Arc<Follower>,
    sightings: watch::Receiver<Sighting>,
    holding: watch::Sender<bool>,
    unwell: watch::Receiver<String>,
    pub(super) running: Option<Arc<Running>>,
    pub(super) keeper: Option<Arc<Keeper>>,
    belief: Option<watch::Receiver<Belief>>,
    /// The term of the Lease that this node works in, or has begun to take over.
    mastering: Option<Mastering>,
    /// A term that is over although the Lease may still be held in it.
    over: Option<u64>,
    pub(super) work: JoinSet<Step>,
    /// Since when the row allows writes and `element.json` does not.
    contradicting: Option<Instant>,
    sealed: bool,
}

struct Mastering {
    transitions: u64,
    /// Since when it is tried, for as long as it does not succeed.
    since: Instant,
    taken_over: Option<TakenOver>,
    open: bool,
}

impl<'a> Life<'a> {
    /// A standby that is no candidate yet.
    pub(super) fn begin(process: &'a Process<'a>, state: &'a AppState, reached: Reached) -> Self {
        let Reached { rooms, election, candidate, shared } = reached;
        let follower = Arc::new(Follower::new(Arc::clone(&rooms)));
        let (tell, sightings) = watch::channel(Sighting::Nothing);
        process.tasks.spawn(Arc::clone(&follower).run(tell, process.stop.clone()));
        let holding = watch::Sender::new(false);
        let (tell, unwell) = watch::channel(String::new());
        let (watched, patience) = (Arc::clone(&rooms), candidate.patience());
        let watching = wellness::watch_over(watched, holding.subscribe(), patience, tell, process.stop.clone());
        process.tasks.spawn(watching);
        Self {
            process,
            state,
            config: Arc::new(process.config.clone()),
            rooms,
            election,
            candidate,
            _shared: shared,
            follower,
            sightings,
            holding,
            unwell,
            running: None,
            keeper: None,
            belief: None,
            mastering: None,
            over: None,
            work: JoinSet::new(),
            contradicting: None,
            sealed: false,
        }
    }

    /// Lives until a signal comes; which one.
    pub(super) async fn run(
        &mut self,
        mut signalled: Pin<&mut impl Future<Output = &'static str>>,
    ) -> Result<&'static str, CommandError> {
        loop {
            let in_term = self.mastering.as_ref().is_some_and(|mastering| mastering.taken_over.is_some());
            tokio::select! {
                signal = &mut signalled => return Ok(signal),
                // Without the thread the Lease is not renewed, and nobody would notice its loss.
                ended = ended(self.keeper.clone()) => return Err(MastershipLost(ended.to_string()).into()),
                belief = believed(&mut self.belief) => self.believe(&belief),
                Some(step) = self.work.join_next() => match step {
                    Ok(step) => self.stepped(step).await?,
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => return Err(CommandError::Other(format!("a takeover ended abnormally: {error}"))),
                },
                Ok(()) = self.sightings.changed() => self.saw().await?,
                Ok(()) = self.unwell.changed() => self.of_no_use().await,
                () = out_of_term(self.running.clone()), if in_term => self.passed("its term is over").await,
            }
        }
    }

    fn believe(&mut self, belief: &Belief) {
        match belief {
            Belief::Holding { transitions } if self.over == Some(*transitions) => {}
            Belief::Holding { transitions } => {
                if self.mastering.as_ref().is_some_and(|mastering| mastering.transitions == *transitions) {
                    return;
                }
                self.lose("another term of the Lease has begun");
                tracing::info!(transitions, "elected: this node takes over");
                self.mastering =
                    Some(Mastering { transitions: *transitions, since: Instant::now(), taken_over: None, open: false });
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
    async fn stepped(&mut self, step: Step) -> Result<(), CommandError> {
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
                if self.mastering.as_ref().is_some_and(|mastering| mastering.since.elapsed() > patience) {
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
            mastering.taken_over = Some(taken_over);
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

    /// Makes what serves the element, and opens the API.
    async fn serve(&mut self, file: ElementFile, term: Option<crate::model::Term>) -> Result<(), OpeningError> {
        let running = Running::begin(self.process, Arc::clone(&self.rooms), file, term).await?;
        self.state.front().authenticator.serves(running.element_id());
        self.follower.tells(&running.element);
        self.state.open(running.services(self.process, self.election.mastership().clone()));
        self.running = Some(Arc::new(running));
        Ok(())
    }

    /// The row was looked at.
    async fn saw(&mut self) -> Result<(), CommandError> {
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
                    tracing::info!(mode = %row.mode, epoch = row.epoch, master = row.master, "a standby: serving reads");
                }
                Ok(())
            }
        }
    }

    /// Whether the element needs a master: to write, or to bring catalog and storage together first.
    fn wants_master(&mut self, row: &ConfigRow, file: Option<&ElementFile>) -> bool {
        let Some(file) = file else { return true };
        if row.epoch == 0 || row.needs_rebuild {
            return true;
        }
        let (rebuild, mode) = match verdict(&self.config, row, file) {
            element::Verdict::Serve { rebuild, mode } => (rebuild, mode),
            _ => return true,
        };
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
        self.belief = Some(keeper.belief());
        (self.keeper, self.over, self.sealed) = (Some(keeper), None, false);
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

    /// Is no candidate any more; the Lease is given up beside everything else.
    fn withdraw(&mut self, sealed: bool) {
        self.sealed = sealed;
        (self.keeper, self.belief) = (None, None);
        if let Some(keeper) = self.election.withdraws(sealed) {
            self.process.tasks.spawn(async move { keeper.release().await });
        }
    }

    /// The term is over, whatever the reason: nothing is written any more, running writes end.
    pub(super) fn lose(&mut self, reason: &str) {
        let Some(mastering) = self.mastering.take() else { return };
        self.election.ends();
        self.work = JoinSet::new();
        self.over = Some(mastering.transitions);
        self.holding.send_replace(false);
        if let (Some(running), Some(taken_over)) = (&self.running, &mastering.taken_over) {
            running.element.step_down(taken_over.term, reason);
            running.modes.term_over();
            running.jobs.term_over();
        }
        self.rooms.catalog.end_term();
        tracing::warn!(reason, "this node is a standby now");
        self.tell_master();
    }

    /// Another term has begun although the Lease may still be this node's: then it begins a new one at once.
    async fn passed(&mut self, reason: &str) {
        self.lose(reason);
        if let Some(keeper) = &self.keeper {
            keeper.new_term().await;
        }
    }

    async fn of_no_use(&mut self) {
        let reason = self.unwell.borrow_and_update().clone();
        if self.mastering.is_some() {
            self.stand_aside(&reason).await;
        }
    }

    /// Gives the Lease up for others, who may reach what this node cannot.
    async fn stand_aside(&mut self, reason: &str) {
        self.lose(reason);
        if let Some(keeper) = &self.keeper {
            tracing::warn!(reason, "this node stands aside: it gives the Lease up");
            keeper.stand_aside(self.candidate.aside()).await;
        }
    }

    /// Says who the master is, as far as Lease and row agree.
    fn tell_master(&self) {
        let own = self.mastering.as_ref().and_then(|mastering| mastering.taken_over.as_ref());
        let seen = if let Some(taken_over) = own {
            let address = self.config.peer.advertise.clone();
            Some(MasterSeen { holder: self.election.holder(), address, epoch: taken_over.term.epoch })
        } else if self.sealed {
            None
        } else if let Sighting::Element(seen) = &*self.sightings.borrow() {
            let row = &seen.0;
            let holder = row.master.clone().filter(|master| self.may_hold(master));
            holder.map(|holder| MasterSeen { holder, address: row.master_address.clone(), epoch: row.epoch })
        } else {
            None
        };
        self.election.mastership().saw(seen);
    }

    /// Whether nothing that is known of the Lease says that `master` does not hold it.
    fn may_hold(&self, master: &str) -> bool {
        let Some(belief) = &self.belief else { return false };
        match &*belief.borrow() {
            Belief::Following { holder } => holder.as_deref() == Some(master),
            Belief::Unknown => master != self.election.holder(),
            // Elected, and the row is still its predecessor's.
            Belief::Holding { .. } => false,
        }
    }
}

fn verdict(config: &Config, row: &ConfigRow, file: &ElementFile) -> element::Verdict {
    let storage =
        Found { element_id: file.element_id, catalog_id: file.catalog_id, epoch: file.epoch, mode: file.mode };
    let catalog = Found { element_id: row.element_id, catalog_id: row.catalog_id, epoch: row.epoch, mode: row.mode };
    let (storage, catalog) = (StorageFound::Element(storage), CatalogFound::Element(catalog));
    element::judge(storage, catalog, Adoption::Only(None), config.element.id)
}

/// Why the candidacy ended by itself; never, while there is none.
async fn ended(keeper: Option<Arc<Keeper>>) -> Ended {
    match keeper {
        Some(keeper) => keeper.ended().await,
        None => std::future::pending().await,
    }
}

/// What is believed of the Lease, when that changes; never, without a candidacy.
async fn believed(belief: &mut Option<watch::Receiver<Belief>>) -> Belief {
    if let Some(belief) = belief
        && belief.changed().await.is_ok()
    {
        return belief.borrow_and_update().clone();
    }
    std::future::pending().await
}

async fn out_of_term(running: Option<Arc<Running>>) {
    match running {
        Some(running) => running.element.out_of_term().await,
        None => std::future::pending().await,
    }
}
