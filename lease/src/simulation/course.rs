//! The course of a world: bad times, then calm, then one clean loss of the holder.

use std::time::Duration;

use super::faults::{self, Fault, Planned};
use super::law::Violation;
use super::world::{Event, World};
use crate::protocol::{Observation, Wish};

/// What is looked at when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Milestone {
    /// All faults end.
    Calm,
    /// By now somebody holds the Lease.
    Elected,
    /// It still does, and is lost now.
    Lost { holder: usize },
    /// It is held again, by another or in a later term.
    Replaced { process: u64, transitions: u64 },
}

/// Sums up a world that kept all promises.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Summary {
    pub(super) terms: u64,
    pub(super) events: u64,
}

/// Lives through it all.
pub(super) fn live(world: &mut World) -> Result<Summary, Violation> {
    let longest = world.longest_duration();
    let bad_times = u64::try_from(longest.as_nanos()).unwrap() * world.dice.between(1, 5);
    world.calm_at = bad_times;
    for planned in faults::plan(&mut world.dice, world.candidates.len(), bad_times, longest) {
        world.schedule(planned.at, Event::Begins(planned));
    }
    world.schedule(bad_times, Event::Milestone(Milestone::Calm));
    for place in 0..world.candidates.len() {
        if world.dice.percent(80) {
            world.start(place)?;
        } else {
            let at = world.dice.below(bad_times);
            let late = Planned { at, fault: Fault::Kill, at_the_holder: false, place, lasts: Duration::ZERO };
            world.schedule(at, Event::Begins(late));
        }
    }
    let mut summary = Summary::default();
    while let Some(event) = world.next_event() {
        summary.events += 1;
        world.isolated_ones_have_stopped()?;
        if let Event::Milestone(milestone) = event {
            if world.reach(milestone)? {
                break;
            }
        } else {
            world.happens(event)?;
        }
    }
    summary.terms = world.law.begun;
    Ok(summary)
}

impl World {
    fn happens(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Wake { place, process, number } => {
                let candidate = &self.candidates[place];
                let wanted = candidate.process == process && candidate.wakes == number && candidate.stopped.is_none();
                if wanted { self.observe(place, Observation::Tick) } else { Ok(()) }
            }
            Event::Arrives { place, process, action } => self.arrives(place, process, action),
            Event::WatchArrives { place, process, number, after } => {
                self.watch_arrives(place, process, number, after);
                Ok(())
            }
            Event::Hears { place, process, watch, what } => {
                let candidate = &self.candidates[place];
                let heard = candidate.process == process && watch.is_none_or(|number| number == candidate.watch.number);
                if heard { self.observe(place, what) } else { Ok(()) }
            }
            Event::Begins(planned) => self.begins(planned),
            Event::Ends { planned, process } => self.ends(planned, process),
            Event::Milestone(_) => Ok(()),
        }
    }

    /// Whether the world is over.
    fn reach(&mut self, milestone: Milestone) -> Result<bool, Violation> {
        self.tell(|| format!("-- {milestone:?}"));
        let settings = self.candidates.iter().map(|candidate| &candidate.settings);
        let patience = settings.map(|settings| (settings.retry_period * 2).max(settings.request_timeout())).max();
        let (duration, patience) = (self.longest_duration(), patience.unwrap_or_default());
        let after = |time: Duration| {
            // A clock that is one in a hundred slow, and some messages there and back.
            self.now + u64::try_from((time * 102 / 100 + Duration::from_millis(150)).as_nanos()).unwrap()
        };
        match milestone {
            Milestone::Calm => {
                let by = after(duration + patience);
                self.schedule(by, Event::Milestone(Milestone::Elected));
                self.calm_down()?;
            }
            Milestone::Elected => {
                let Some(holder) = self.holder() else {
                    return Err(Violation("the faults are over, and nobody holds the Lease in time".to_owned()));
                };
                let later = after(duration * 3);
                self.schedule(later, Event::Milestone(Milestone::Lost { holder }));
            }
            Milestone::Lost { holder } => {
                if self.holder() != Some(holder) {
                    let now = self.holder();
                    return Err(Violation(format!("the Lease went from place {holder} to {now:?} for no reason")));
                }
                self.lose(holder, after(Duration::ZERO), after(duration))?;
            }
            Milestone::Replaced { process, transitions } => {
                let term = self.holder().and_then(|place| self.candidates[place].term.as_ref());
                return match term {
                    None => Err(Violation("the holder was lost, and nobody holds the Lease in time".to_owned())),
                    Some(term) if term.transitions <= transitions => {
                        Err(Violation(format!("the holder was lost, and {term:?} goes on")))
                    }
                    Some(term) if process == term.process => {
                        Err(Violation(format!("{term:?} is one of whoever left it to others")))
                    }
                    Some(_) => Ok(true),
                };
            }
        }
        Ok(false)
    }

    /// The holder is lost in one of the ways that there are, with another expected at once or after a duration.
    fn lose(&mut self, holder: usize, at_once: u64, after_a_duration: u64) -> Result<(), Violation> {
        let alone = self.candidates.iter().filter(|candidate| candidate.state.is_some()).count() == 1;
        let Some(term) = self.candidates[holder].term.clone() else {
            return Err(Violation(format!("place {holder} holds the Lease in no term")));
        };
        let way = self.dice.below(4);
        self.tell(|| format!("place {holder} is lost, way {way}"));
        // By whom the next term may not be: the one that wanted to leave, unless there is nobody else.
        let (by, process, wish) = match way {
            0 if !alone => (at_once, term.process, Some(Wish::Release)),
            1 => {
                let aside = Wish::StandAside(self.candidates[holder].settings.lease_duration * 2);
                if alone { (after_a_duration, 0, Some(aside)) } else { (at_once, term.process, Some(aside)) }
            }
            2 => (at_once, 0, Some(Wish::NewTerm)),
            _ => (after_a_duration, term.process, None),
        };
        let transitions = term.transitions;
        self.schedule(by, Event::Milestone(Milestone::Replaced { process, transitions }));
        if let Some(wish) = wish {
            if wish == Wish::NewTerm {
                self.law.pass_epoch();
            }
            self.candidates[holder].wished = true;
            return self.observe(holder, Observation::Wished(wish));
        }
        self.candidates[holder].die();
        if alone {
            return self.start(holder);
        }
        // What the watch showed is enough to know when the Lease expires.
        self.reads_hang = self.dice.percent(50);
        Ok(())
    }
}
