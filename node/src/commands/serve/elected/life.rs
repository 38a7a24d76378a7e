//! What happens to a node between its start and its end.

use std::pin::Pin;
use std::sync::Arc;

use storage_lease::{Belief, Ended, Keeper};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::candidacy::Candidate;
use super::follow::{Follower, Sighting};
use super::reaching::Reached;
use super::term::Step;
use super::wellness;
use crate::commands::CommandError;
use crate::commands::database::Shared;
use crate::commands::opening::Rooms;
use crate::commands::serve::Process;
use crate::commands::serve::running::Running;
use crate::config::Config;
use crate::election::MastershipLost;
use crate::election::lease::LeaseElection;
use crate::http::AppState;
use crate::settling::TakenOver;

/// A node, its part in the election, and what serves the element.
pub(super) struct Life<'a> {
    pub(super) process: &'a Process<'a>,
    pub(super) state: &'a AppState,
    pub(super) config: Arc<Config>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) election: Arc<LeaseElection>,
    pub(super) candidate: Candidate,
    _shared: Shared,
    pub(super) follower: Arc<Follower>,
    pub(super) sightings: watch::Receiver<Sighting>,
    pub(super) holding: watch::Sender<bool>,
    pub(super) unwell: watch::Receiver<String>,
    pub(super) running: Option<Arc<Running>>,
    pub(super) keeper: Option<Arc<Keeper>>,
    pub(super) belief: Option<watch::Receiver<Belief>>,
    /// The term of the Lease that this node works in, or has begun to take over.
    pub(super) mastering: Option<Mastering>,
    /// A term that is over although the Lease may still be held in it.
    pub(super) over: Option<u64>,
    pub(super) work: JoinSet<Step>,
    /// Since when the row allows writes and `element.json` does not.
    pub(super) contradicting: Option<Instant>,
    /// Since when the element has a row and no `element.json`.
    pub(super) without_file: Option<Instant>,
    pub(super) sealed: bool,
}

/// The term of the Lease that this node works in.
pub(super) struct Mastering {
    pub(super) transitions: u64,
    /// Since when it fails, for as long as it does not succeed.
    pub(super) failing: Option<Instant>,
    pub(super) taken_over: Option<TakenOver>,
    pub(super) open: bool,
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
            without_file: None,
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
