//! The thread that keeps the Lease.

mod standing;
mod thread;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::protocol::{Belief, Wish};
use crate::{BootInstant, Settings, SettingsError};

pub use self::standing::Counts;
use self::standing::Standing;

/// Why the thread is over. Whatever the reason, this process holds nothing any more and never will again: unless it was
/// asked to [`Keeper::release`], it has to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Asked for by [`Keeper::release`].
    #[error("the Lease was given up as asked")]
    Released,
    /// Something that must not happen did.
    #[error("the thread that renews the Lease ended: {0}")]
    Failed(String),
}

/// This process does not hold the Lease for certain, so it must not write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Lease is not held: its renew deadline has passed, or another term has begun")]
pub struct NotHeld;

/// Why no thread was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No client for the API server could be made of its configuration.
    #[error("the API server's configuration cannot be used: {0}")]
    Client(#[from] kube::Error),
    /// The system gave no thread, timer or runtime.
    #[error("the thread that renews the Lease could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A candidate for the Lease, and while it is elected, its holder.
///
/// The work is done on a thread of its own with a runtime of its own, so that a busy or blocked main runtime cannot
/// delay a renewal. All this value does is ask it and read what it published. Dropped, it stops the thread without
/// giving the Lease up: others take it over after its duration.
#[derive(Debug)]
pub struct Keeper {
    standing: Arc<Standing>,
    /// Gone only while it is dropped.
    wishes: Option<mpsc::Sender<Wish>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread, and with it the candidacy.
    ///
    /// `config` needs no more rights than `get`, `update` and `watch` on this one Lease by name.
    ///
    /// # Errors
    /// See [`StartError`]. That the API server does not answer is none: it is asked again until it does.
    pub fn start(config: kube::Config, settings: Settings) -> Result<Self, StartError> {
        settings.validate()?;
        let standing = Arc::new(Standing::default());
        // Wishes are rare and each is dealt with at once.
        let (wishes, wished) = mpsc::channel(4);
        let thread = thread::start(config, settings, Arc::clone(&standing), wished)?;
        Ok(Self { standing, wishes: Some(wishes), thread: Some(thread) })
    }

    /// What this candidate believes, and every change of it.
    ///
    /// Good for deciding what to begin. It is news, and news may be late: whether a write may still be committed only
    /// [`check_term`](Self::check_term) says.
    pub fn belief(&self) -> watch::Receiver<Belief> {
        self.standing.belief()
    }

    /// Asked right before each commit point: whether the Lease is held for certain at this moment. It is one read of
    /// the clock and takes no lock.
    ///
    /// True at the moment it is asked, and no longer: a process may be frozen right after. What is written still has to
    /// be fenced by what it is written to.
    ///
    /// # Errors
    /// [`NotHeld`] from the renew deadline on, counted from before the last successful renewal was sent.
    pub fn check(&self) -> Result<(), NotHeld> {
        self.standing.check(BootInstant::now())
    }

    /// As [`check`](Self::check), for work that began in the term of `transitions`: also refused when the Lease was lost
    /// and won again since.
    ///
    /// # Errors
    /// [`NotHeld`] when that term is over.
    pub fn check_term(&self, transitions: u64) -> Result<(), NotHeld> {
        self.standing.check_term(transitions, BootInstant::now())
    }

    /// How long ago the Lease was last renewed: by this process, from when that was sent; by another, from when it was
    /// seen. `None` before any was.
    pub fn since_renewal(&self) -> Option<Duration> {
        self.standing.since_renewal(BootInstant::now())
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        self.standing.counts()
    }

    /// Gives the Lease up, so that another takes it at once, and ends the candidacy. Returns when that is done, or when
    /// it could not be done until the deadline.
    ///
    /// [`check`](Self::check) fails from the moment the thread begins with it, so running writes have to be over before.
    pub async fn release(&self) -> Ended {
        self.wish(Wish::Release).await;
        self.ended().await
    }

    /// Gives the Lease up if it is held, and leaves it to others for `time`. If it lies free for a lease duration
    /// meanwhile, nobody else wants it, and this candidate takes it again.
    pub async fn stand_aside(&self, time: Duration) {
        self.wish(Wish::StandAside(time)).await;
    }

    /// Ends the current term and, the Lease being still held, begins a new one at once: for a holder that finds that the
    /// epoch it writes under was passed.
    pub async fn new_term(&self) {
        self.wish(Wish::NewTerm).await;
    }

    /// Waits until the thread is over, and says why. The process has to end then.
    pub async fn ended(&self) -> Ended {
        self.standing.until_ended().await
    }

    async fn wish(&self, wish: Wish) {
        if let Some(wishes) = &self.wishes {
            // When the thread is gone, that is what `ended` says.
            let _ = wishes.send(wish).await;
        }
    }
}

impl Drop for Keeper {
    /// The thread waits for nothing but its runtime, so it is over at once.
    fn drop(&mut self) {
        self.wishes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
