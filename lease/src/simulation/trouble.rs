//! How faults begin and end in the world.

use std::time::Duration;

use super::candidate::Way;
use super::faults::{Fault, Planned};
use super::law::Violation;
use super::world::{Event, World};
use crate::protocol::{Observation, State, Wish};

impl World {
    pub(super) fn begins(&mut self, mut planned: Planned) -> Result<(), Violation> {
        if planned.at_the_holder {
            planned.place = self.holder().unwrap_or(planned.place);
        }
        let Planned { place, fault, lasts, .. } = planned;
        self.tell(|| format!("!! {fault:?} at place {place} for {lasts:?}"));
        let (now, calm_at) = (self.now, self.calm_at);
        let process = self.candidates[place].process;
        let ends_at = (now + u64::try_from(lasts.as_nanos()).unwrap()).min(calm_at);
        self.schedule(ends_at, Event::Ends { planned, process });
        let uniform = self.candidates.iter().all(|one| one.settings.lease_duration == self.longest_duration());
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
            // Whoever comes after cannot know how long the deadline of a deleted Lease was.
            Fault::Delete if uniform => {
                self.server.delete();
                self.show_all();
            }
            Fault::Touch => {
                self.server.touch(|_| {});
                self.show_all();
            }
            // Where times differ nothing could defend a longer deadline against that.
            Fault::ShortenDuration if uniform => {
                self.server.touch(|lease| lease.duration = lease.duration.map(|_| Duration::from_secs(1)));
                self.show_all();
            }
            Fault::Delete | Fault::ShortenDuration => {}
            Fault::WallLeap => candidate.clocks.leap(&mut self.dice),
            Fault::Errors => self.errors_until = ends_at,
            Fault::StandAside => {
                let aside = candidate.settings.lease_duration * 2;
                // Not so late that what it wants is still in force when the faults are over.
                let nanos = u64::try_from(aside.as_nanos()).unwrap();
                if now + nanos * 102 / 100 < calm_at {
                    // By the fastest of clocks.
                    candidate.aside_until = now + nanos * 98 / 100;
                    candidate.wished = true;
                    return self.observe(place, Observation::Wished(Wish::StandAside(aside)));
                }
            }
            Fault::Release => {
                candidate.wished = true;
                return self.observe(place, Observation::Wished(Wish::Release));
            }
            Fault::PassEpoch => {
                if candidate.may_write(now) && candidate.stopped.is_none() {
                    self.law.pass_epoch();
                    candidate.wished = true;
                    return self.observe(place, Observation::Wished(Wish::NewTerm));
                }
            }
        }
        Ok(())
    }

    pub(super) fn ends(&mut self, planned: Planned, process: u64) -> Result<(), Violation> {
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

    pub(super) fn calm_down(&mut self) -> Result<(), Violation> {
        self.server.make();
        for place in 0..self.candidates.len() {
            self.run_on(place)?;
            self.candidates[place].way = Way::default();
            if self.candidates[place].state.as_ref().is_none_or(State::has_ended) {
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
