//! A world of candidates, a server and what lies between, and the order in which things happen in it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::Broken;
use super::candidate::Candidate;
use super::clocks::Clocks;
use super::dice::Dice;
use super::faults::Planned;
use super::law::{Law, Violation};
use super::server::Server;
use crate::Settings;
use crate::protocol::{Action, Observation};

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Event {
    Wake {
        place: usize,
        process: u64,
        number: u64,
    },
    /// A request reaches the server.
    Arrives {
        place: usize,
        process: u64,
        action: Action,
    },
    /// A watch reaches the server.
    WatchArrives {
        place: usize,
        process: u64,
        number: u64,
        after: u64,
    },
    /// Something reaches a candidate, by the watch of that number if it has one.
    Hears {
        place: usize,
        process: u64,
        watch: Option<u64>,
        what: Observation,
    },
    Begins(Planned),
    Ends {
        planned: Planned,
        process: u64,
    },
    Milestone(super::course::Milestone),
}

#[derive(Debug)]
pub(super) struct Scheduled {
    at: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// All of it. Times are true, in nanoseconds since the world began.
pub(super) struct World {
    pub(super) now: u64,
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    pub(super) dice: Dice,
    pub(super) server: Server,
    pub(super) candidates: Vec<Candidate>,
    pub(super) law: Law,
    pub(super) broken: Broken,
    processes: u64,
    /// Faults are over.
    pub(super) calm_at: u64,
    pub(super) errors_until: u64,
    /// The server answers no reads.
    pub(super) reads_hang: bool,
    /// What happened, if it is to be told.
    pub(super) trace: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(seed: u64, broken: Broken, trace: bool) -> Self {
        let mut dice = Dice::new(seed);
        let count = dice.between(1, 5);
        let base = times(&mut dice);
        // In some worlds two processes have one name, though they must not.
        let twins = dice.percent(15);
        let candidates = (0..count).map(|place| {
            let name = if twins && place == 1 { 0 } else { place };
            let mut settings = Settings::new("default", "files", format!("node-{name}"));
            (settings.lease_duration, settings.renew_deadline, settings.retry_period) = base;
            if dice.percent(20) {
                settings.lease_duration *= 2;
                settings.renew_deadline *= 2;
            }
            Candidate::new(settings, Clocks::new(&mut dice, broken == Broken::ClockSleeps))
        });
        let candidates = candidates.collect();
        Self {
            now: 0,
            queue: BinaryHeap::new(),
            order: 0,
            dice,
            server: Server::new(),
            candidates,
            law: Law::default(),
            broken,
            processes: 0,
            calm_at: 0,
            errors_until: 0,
            reads_hang: false,
            trace: trace.then(Vec::new),
        }
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>4}.{:06} {}", now / 1_000_000_000, now % 1_000_000_000 / 1000, what()));
        }
    }

    pub(super) fn schedule(&mut self, at: u64, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Scheduled { at: at.max(self.now), order: self.order, event }));
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        let Reverse(Scheduled { at, event, .. }) = self.queue.pop()?;
        self.now = at;
        Some(event)
    }

    pub(super) fn next_process(&mut self) -> u64 {
        self.processes += 1;
        self.processes
    }

    pub(super) fn is_calm(&self) -> bool {
        self.now >= self.calm_at
    }

    /// Whoever holds the Lease by its own check.
    pub(super) fn holder(&self) -> Option<usize> {
        self.candidates.iter().position(|candidate| candidate.may_write(self.now))
    }

    pub(super) fn longest_duration(&self) -> Duration {
        self.candidates.iter().map(|candidate| candidate.settings.lease_duration).max().unwrap_or_default()
    }

    /// Whoever got no write through for its deadline has stopped, whatever it could not hear.
    pub(super) fn isolated_ones_have_stopped(&self) -> Result<(), Violation> {
        for (place, candidate) in self.candidates.iter().enumerate() {
            let deadline = candidate.settings.renew_deadline * 101 / 100 + Duration::from_millis(1);
            let applied = candidate.applied.map_or(0, |(at, _)| at);
            let isolated = Duration::from_nanos(self.now - applied);
            if candidate.may_write(self.now) && isolated > deadline {
                return Err(Violation(format!(
                    "place {place} may write {isolated:?} after its last write to the Lease"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn judge(&mut self) -> Result<(), Violation> {
        let now = self.now;
        let writers = self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.may_write(now));
        let writers: Vec<_> = writers.map(|(place, candidate)| (candidate.process, format!("place {place}"))).collect();
        self.law.one_writer(&writers)
    }
}

fn times(dice: &mut Dice) -> (Duration, Duration, Duration) {
    let ms = [
        (15_000, 10_000, 2_000),
        (15_000, 10_000, 2_000),
        (6_000, 4_000, 1_000),
        (3_000, 2_000, 200),
        (9_000, 6_000, 4_000),
    ];
    let (duration, deadline, retry) = ms[usize::try_from(dice.below(ms.len() as u64)).unwrap()];
    (Duration::from_millis(duration), Duration::from_millis(deadline), Duration::from_millis(retry))
}
