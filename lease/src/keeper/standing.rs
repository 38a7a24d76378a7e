//! What the thread publishes: read by anyone, at any time, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::watch;

use super::{Ended, NotHeld};
use crate::BootInstant;
use crate::protocol::Belief;

/// Counted since the start of the process, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Renewals that the API server confirmed.
    pub renewals_ok: u64,
    /// Renewals refused because the Lease had changed.
    pub renewals_conflict: u64,
    /// Renewals that failed in another way.
    pub renewals_error: u64,
    /// Renewals that were not answered in time.
    pub renewals_timeout: u64,
    /// Terms that this process began.
    pub takeovers: u64,
}

/// What the keeper's thread knows, as others may read it.
#[derive(Debug)]
pub(super) struct Standing {
    /// The term's deadline in nanoseconds since boot; zero while no term is.
    deadline: AtomicU64,
    /// The transitions of the term that `deadline` is of.
    term: AtomicU64,
    /// When the Lease was last renewed, in nanoseconds since boot; zero while unknown.
    renewed: AtomicU64,
    counted: [AtomicU64; 5],
    belief: watch::Sender<Belief>,
    ended: watch::Sender<Option<Ended>>,
}

/// Which of [`Counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Ok,
    Conflict,
    Error,
    Timeout,
    Takeover,
}

impl Default for Standing {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            deadline: zero(),
            term: zero(),
            renewed: zero(),
            counted: std::array::from_fn(|_| zero()),
            belief: watch::Sender::new(Belief::Unknown),
            ended: watch::Sender::new(None),
        }
    }
}

impl Standing {
    /// A term goes on until `deadline`. The order matters to those who read meanwhile: no deadline is ever seen beside a
    /// term that it is not of.
    pub(super) fn holds(&self, transitions: u64, deadline: BootInstant) {
        if self.term.load(SeqCst) != transitions {
            self.deadline.store(0, SeqCst);
            self.term.store(transitions, SeqCst);
        }
        self.deadline.store(deadline.as_nanos(), SeqCst);
    }

    /// No term is.
    pub(super) fn holds_nothing(&self) {
        self.deadline.store(0, SeqCst);
    }

    pub(super) fn check(&self, now: BootInstant) -> Result<(), NotHeld> {
        if now.as_nanos() < self.deadline.load(SeqCst) { Ok(()) } else { Err(NotHeld) }
    }

    pub(super) fn check_term(&self, transitions: u64, now: BootInstant) -> Result<(), NotHeld> {
        self.check(now)?;
        // Read after the deadline: the one that was read is of this term or an earlier one, and terms never come back.
        if self.term.load(SeqCst) == transitions { Ok(()) } else { Err(NotHeld) }
    }

    pub(super) fn renewed_at(&self, at: BootInstant) {
        self.renewed.store(at.as_nanos(), SeqCst);
    }

    pub(super) fn since_renewal(&self, now: BootInstant) -> Option<Duration> {
        match self.renewed.load(SeqCst) {
            0 => None,
            at => Some(now - BootInstant::from_nanos(at)),
        }
    }

    pub(super) fn count(&self, what: Counted) {
        self.counted[what as usize].fetch_add(1, SeqCst);
    }

    pub(super) fn counts(&self) -> Counts {
        let [renewals_ok, renewals_conflict, renewals_error, renewals_timeout, takeovers] =
            std::array::from_fn(|index| self.counted[index].load(SeqCst));
        Counts { renewals_ok, renewals_conflict, renewals_error, renewals_timeout, takeovers }
    }

    pub(super) fn believe(&self, belief: Belief) {
        self.belief.send_if_modified(|known| {
            let news = *known != belief;
            *known = belief;
            news
        });
    }

    pub(super) fn belief(&self) -> watch::Receiver<Belief> {
        self.belief.subscribe()
    }

    /// The thread is over. The first reason counts.
    pub(super) fn end(&self, why: Ended) {
        self.holds_nothing();
        self.believe(Belief::Unknown);
        self.ended.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(why);
            first
        });
    }

    pub(super) async fn until_ended(&self) -> Ended {
        let mut ended = self.ended.subscribe();
        match ended.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or(Ended::Released),
            Err(_) => Ended::Failed("nobody is left to say why".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ended, Standing};
    use crate::BootInstant;
    use crate::protocol::Belief;

    const fn at(nanos: u64) -> BootInstant {
        BootInstant::from_nanos(nanos)
    }

    /// Whatever the thread does or does not do any more: it may be this very thread that is stuck.
    #[test]
    fn from_the_deadline_on_nothing_is_held() {
        let standing = Standing::default();
        assert!(standing.check(at(1)).is_err());
        standing.holds(3, at(100));
        assert!(standing.check(at(99)).is_ok());
        assert!(standing.check_term(3, at(99)).is_ok());
        assert!(standing.check(at(100)).is_err());
        assert!(standing.check_term(3, at(100)).is_err());
    }

    #[test]
    fn a_later_term_is_not_the_one_that_was_asked_about() {
        let standing = Standing::default();
        standing.holds(3, at(100));
        standing.holds_nothing();
        assert!(standing.check_term(3, at(50)).is_err());
        standing.holds(4, at(200));
        assert!(standing.check(at(150)).is_ok());
        assert!(standing.check_term(4, at(150)).is_ok());
        assert!(standing.check_term(3, at(50)).is_err());
    }

    #[tokio::test]
    async fn the_end_takes_everything_along_and_its_first_reason_counts() {
        let standing = Standing::default();
        standing.holds(3, at(100));
        standing.believe(Belief::Holding { transitions: 3 });
        standing.end(Ended::Failed("first".to_owned()));
        standing.end(Ended::Released);
        assert!(standing.check(at(1)).is_err());
        assert_eq!(*standing.belief().borrow(), Belief::Unknown);
        assert_eq!(standing.until_ended().await, Ended::Failed("first".to_owned()));
    }
}
