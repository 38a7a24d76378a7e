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
    /// Another has it.
    Replaced,
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
                let alone = self.candidates.iter().filter(|candidate| candidate.state.is_some()).count() == 1;
                if !alone && self.dice.percent(50) {
                    self.schedule(after(Duration::ZERO), Event::Milestone(Milestone::Replaced));
                    self.observe(holder, Observation::Wished(Wish::Release))?;
                } else {
                    self.schedule(after(duration), Event::Milestone(Milestone::Replaced));
                    self.tell(|| format!("place {holder} is killed"));
                    self.candidates[holder].die();
                    if alone {
                        self.start(holder)?;
                    }
                }
            }
            Milestone::Replaced => {
                if self.holder().is_none() {
                    return Err(Violation("the holder is lost, and nobody else holds the Lease in time".to_owned()));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn begins(&mut self, mut planned: Planned) -> Result<(), Violation> {
        if planned.at_the_holder {
            planned.place = self.holder().unwrap_or(planned.place);
        }
        let Planned { place, fault, lasts, .. } = planned;
        self.tell(|| format!("!! {fault:?} at place {place} for {lasts:?}"));
        let (now, calm_at) = (self.now, self.calm_at);
        let process = self.candidates[place].process;
        let ends_at = (now + u64::try_from(lasts.as_nanos()).unwrap()).min(calm_at);
        self.schedule(ends_at, Event::Ends { planned, process });
        let candidate = &mut self.candidates[place];
        match fault {
            Fault::Stop | Fault::Suspend => {
                if candidate.stopped.is_none() {
                    candidate.stopped = Some(now);
                    candidate.suspended = fault == Fault::Suspend;
                }
            }
            Fault::Kill => candidate.die(),
            Fault::CutTo => candidate.way.cut_to = true,
            Fault::CutFrom => candidate.way.cut_from = true,
            Fault::Cut => (candidate.way.cut_to, candidate.way.cut_from) = (true, true),
            Fault::Slow => candidate.way.slower = lasts / 4,
            Fault::SlowWatch => candidate.way.watch_lags = lasts / 4,
            Fault::BreakWatch => {
                if std::mem::take(&mut candidate.watch.runs) {
                    return self.observe(place, Observation::WatchEnded);
                }
            }
            // One that breaks right before the end is found out only after: silence takes a while to notice.
            Fault::SilenceWatch => {
                let noticed = (candidate.settings.renewal_interval() + candidate.settings.retry_period) * 2;
                if now + u64::try_from(noticed.as_nanos()).unwrap() < calm_at {
                    candidate.watch.runs = false;
                }
            }
            Fault::Delete => {
                self.server.delete();
                self.show_all();
            }
            Fault::Touch => {
                self.server.touch(|_| {});
                self.show_all();
            }
            Fault::ShortenDuration => {
                self.server.touch(|lease| lease.duration = lease.duration.map(|_| Duration::from_secs(1)));
                self.show_all();
            }
            Fault::WallLeap => candidate.clocks.leap(&mut self.dice),
            Fault::Errors => self.errors_until = ends_at,
            Fault::StandAside => {
                let aside = candidate.settings.lease_duration * 2;
                // Not so late that what it wants is still in force when the faults are over.
                if now + u64::try_from(aside.as_nanos()).unwrap() * 2 < calm_at {
                    return self.observe(place, Observation::Wished(Wish::StandAside(aside)));
                }
            }
            Fault::Release => return self.observe(place, Observation::Wished(Wish::Release)),
            Fault::PassEpoch => {
                if candidate.may_write(now) && candidate.stopped.is_none() {
                    self.law.pass_epoch();
                    return self.observe(place, Observation::Wished(Wish::NewTerm));
                }
            }
        }
        Ok(())
    }

    fn ends(&mut self, planned: Planned, process: u64) -> Result<(), Violation> {
        let Planned { place, fault, .. } = planned;
        self.tell(|| format!("!! {fault:?} at place {place} ends"));
        let candidate = &mut self.candidates[place];
        match fault {
            Fault::Stop | Fault::Suspend => return self.run_on(place),
            Fault::Kill if candidate.state.is_none() => return self.start(place),
            // Whether it was done or not: the process is over after this.
            Fault::Release if candidate.process == process => return self.start(place),
            Fault::CutTo => candidate.way.cut_to = false,
            Fault::CutFrom => candidate.way.cut_from = false,
            Fault::Cut => (candidate.way.cut_to, candidate.way.cut_from) = (false, false),
            Fault::Slow => candidate.way.slower = Duration::ZERO,
            Fault::SlowWatch => candidate.way.watch_lags = Duration::ZERO,
            Fault::Delete => {
                self.server.make();
                self.show_all();
            }
            _ => {}
        }
        self.show_changes(place);
        Ok(())
    }

    fn run_on(&mut self, place: usize) -> Result<(), Violation> {
        let candidate = &mut self.candidates[place];
        let Some(since) = candidate.stopped.take() else { return Ok(()) };
        if std::mem::take(&mut candidate.suspended) {
            candidate.clocks.was_suspended(Duration::from_nanos(self.now - since));
        }
        let mut heard = std::mem::take(&mut candidate.inbox);
        // Who is first, the timer or the network, nobody knows.
        let at = usize::try_from(self.dice.below(heard.len() as u64 + 1)).unwrap();
        heard.insert(at, Observation::Tick);
        heard.into_iter().try_for_each(|what| self.observe(place, what))
    }

    fn calm_down(&mut self) -> Result<(), Violation> {
        self.server.make();
        for place in 0..self.candidates.len() {
            self.run_on(place)?;
            self.candidates[place].way = super::candidate::Way::default();
            if self.candidates[place].state.as_ref().is_none_or(crate::protocol::State::has_ended) {
                self.start(place)?;
            }
        }
        self.show_all();
        Ok(())
    }

    fn show_all(&mut self) {
        for place in 0..self.candidates.len() {
            self.show_changes(place);
        }
    }
}
