//! What processes do in the world: they run, send, hear, stop and die.

use std::time::Duration;

use super::law::{Term, Violation};
use super::server::Change;
use super::world::{Event, World};
use crate::protocol::{Action, Answer, Observation, RequestId, State};

impl World {
    /// A new process begins at a place.
    pub(super) fn start(&mut self, place: usize) -> Result<(), Violation> {
        let process = self.next_process();
        // A machine that was booted again, or a pod elsewhere, has another name.
        let renamed = self.dice.percent(30);
        let rule = self.broken.rule();
        let candidate = &mut self.candidates[place];
        candidate.die();
        if renamed {
            candidate.settings.identity = format!("node-{place}-process-{process}");
        }
        candidate.process = process;
        candidate.state = Some(State::breaking(candidate.settings.clone(), rule));
        candidate.watch.number += 1;
        self.tell(|| format!("place {place}: process {process} begins"));
        self.observe(place, Observation::Tick)
    }

    /// A process observes something, now or when it runs on.
    pub(super) fn observe(&mut self, place: usize, what: Observation) -> Result<(), Violation> {
        let now = self.now;
        let candidate = &mut self.candidates[place];
        if candidate.stopped.is_some() {
            candidate.inbox.push(what);
            return Ok(());
        }
        let moment = candidate.now(now);
        let Some(state) = &mut candidate.state else { return Ok(()) };
        let told = self.trace.is_some().then(|| format!("{what:?}"));
        let actions = state.step(what, moment);
        if let Some(told) = told {
            let (belief, term) = (state.belief(), state.term().map(|(_, until)| until - moment.boot));
            let told = format!("place {place}: {told} -> {actions:?}, {belief:?} for {term:?}");
            self.tell(|| told);
        }
        self.note_term(place)?;
        self.sleep(place);
        for action in actions {
            self.send(place, action);
        }
        Ok(())
    }

    fn note_term(&mut self, place: usize) -> Result<(), Violation> {
        let candidate = &mut self.candidates[place];
        let process = candidate.process;
        let term = candidate.state.as_ref().and_then(|state| {
            let (transitions, _) = state.term()?;
            Some(Term { process, uid: state.own_lease()?.to_owned(), transitions })
        });
        if let Some((_, deadline)) = candidate.state.as_ref().and_then(State::term) {
            candidate.deadline = deadline;
        }
        if candidate.term == term {
            // Only one whose deadline was moved can have come to overlap with another, and all of them pass here.
            return if term.is_some() { self.judge() } else { Ok(()) };
        }
        let before = std::mem::replace(&mut candidate.term, term.clone());
        let Some(term) = term else { return self.ends_for_a_reason(place, before.as_ref()) };
        match before {
            Some(before) if before.transitions == term.transitions => self.law.moves(&term)?,
            _ => {
                self.begins_in_its_turn(place)?;
                self.law.begins(&term)?;
            }
        }
        self.judge()
    }

    /// A term ends when its owner wants that, at its deadline, or when the Lease was lost.
    fn ends_for_a_reason(&mut self, place: usize, term: Option<&Term>) -> Result<(), Violation> {
        let candidate = &mut self.candidates[place];
        let wished = std::mem::take(&mut candidate.wished);
        let (Some(term), Some((_, version))) = (term, candidate.applied) else { return Ok(()) };
        let overdue = candidate.deadline <= candidate.now(self.now).boot;
        let lost = self.server.was_lost_since(version, &candidate.settings.identity, term.transitions);
        if wished || overdue || lost {
            return Ok(());
        }
        Err(Violation(format!("place {place} ends {term:?}, and nothing has happened")))
    }

    /// One that was told to stand aside takes only what nobody else wants.
    fn begins_in_its_turn(&mut self, place: usize) -> Result<(), Violation> {
        let candidate = &mut self.candidates[place];
        let aside_until = std::mem::take(&mut candidate.aside_until);
        let taken_at = candidate.applied.map_or(0, |(at, _)| at);
        let unwanted = Duration::from_nanos(taken_at - candidate.took_over_from);
        if self.now < aside_until && unwanted < candidate.settings.lease_duration * 98 / 100 {
            return Err(Violation(format!(
                "place {place} was told to stand aside, and took what lay free for {unwanted:?}"
            )));
        }
        Ok(())
    }

    fn sleep(&mut self, place: usize) {
        let candidate = &mut self.candidates[place];
        candidate.wakes += 1;
        let (process, number) = (candidate.process, candidate.wakes);
        if let Some(at) = candidate.state.as_ref().and_then(State::next_wake) {
            // A year from now is after the end of the world.
            let at = candidate.clocks.when(at, self.now);
            self.schedule(at, Event::Wake { place, process, number });
        }
    }

    fn send(&mut self, place: usize, action: Action) {
        let latency = self.latency(place);
        let way = self.candidates[place].way;
        let process = self.candidates[place].process;
        let at = self.now + latency;
        if let Action::Watch { after } = action {
            let watch = &mut self.candidates[place].watch;
            watch.number += 1;
            watch.runs = false;
            let number = watch.number;
            let after = after.parse().unwrap_or_default();
            self.schedule(at, Event::WatchArrives { place, process, number, after });
        } else if !way.cut_to {
            self.schedule(at, Event::Arrives { place, process, action });
        } else if self.dice.percent(25) && !self.is_calm() {
            // Some router kept it.
            let at = self.dice.between(self.now, self.calm_at);
            self.schedule(at, Event::Arrives { place, process, action });
        }
    }

    /// How long the next message takes. Nothing that was sent in bad times arrives in good ones.
    pub(super) fn latency(&mut self, place: usize) -> u64 {
        let mut latency = self.dice.between(200_000, 10_000_000);
        if !self.is_calm() {
            let slower = u64::try_from(self.candidates[place].way.slower.as_nanos()).unwrap();
            latency += self.dice.between(slower / 4, slower);
            latency = latency.min(self.calm_at - self.now);
        }
        latency
    }

    /// A request reaches the server.
    pub(super) fn arrives(&mut self, place: usize, process: u64, action: Action) -> Result<(), Violation> {
        let trouble = if self.now < self.errors_until { 50 } else { 3 };
        let trouble = if self.is_calm() { 0 } else { trouble };
        let fails = self.dice.percent(trouble);
        let before = self.dice.percent(60);
        let (id, answer) = match action {
            Action::Get(id) | Action::Put(id, _) if fails && before => {
                (id, if self.dice.percent(50) { Answer::Refused } else { Answer::Lost })
            }
            Action::Get(_) if self.reads_hang => return Ok(()),
            Action::Get(id) => (id, self.server.get()),
            Action::Put(id, write) => {
                let before = self.server.changed_at;
                let mut answer = self.server.put(&write);
                if matches!(answer, Answer::Lease(_)) {
                    self.server.changed_at = self.now;
                    let version = self.server.version;
                    let candidate = &mut self.candidates[place];
                    if candidate.process == process {
                        candidate.applied = Some((self.now, version));
                        candidate.took_over_from = before;
                    }
                }
                // Something on the way sends it twice.
                if !self.is_calm() && self.dice.percent(2) {
                    answer = self.server.put(&write);
                }
                (id, answer)
            }
            Action::Watch { .. } => return Ok(()),
        };
        if self.server.made_by_a_candidate {
            return Err(Violation(format!("place {place} made a Lease")));
        }
        self.tell(|| format!("server: process {process} {id:?} -> {answer:?}{}", if fails { ", failing" } else { "" }));
        self.answer(place, process, id, if fails { failed(answer) } else { answer });
        for place in 0..self.candidates.len() {
            self.show_changes(place);
        }
        Ok(())
    }

    fn answer(&mut self, place: usize, process: u64, id: RequestId, answer: Answer) {
        if self.candidates[place].way.cut_from {
            return;
        }
        let at = self.now + self.latency(place);
        let what = Observation::Answered(id, answer);
        self.schedule(at, Event::Hears { place, process, watch: None, what });
    }

    /// A watch reaches the server.
    pub(super) fn watch_arrives(&mut self, place: usize, process: u64, number: u64, after: u64) {
        let refused = !self.is_calm() && self.dice.percent(15);
        let candidate = &mut self.candidates[place];
        if candidate.process != process || candidate.watch.number != number {
            return;
        }
        if refused || candidate.way.cut_to || candidate.way.cut_from {
            let at = self.now + self.latency(place);
            let what = Observation::WatchEnded;
            self.schedule(at, Event::Hears { place, process, watch: Some(number), what });
            return;
        }
        candidate.watch.runs = true;
        candidate.watch.sent = after;
        self.show_changes(place);
    }

    /// What a watch has not shown yet is sent.
    pub(super) fn show_changes(&mut self, place: usize) {
        let candidate = &self.candidates[place];
        if !candidate.watch.runs || candidate.way.cut_from {
            return;
        }
        let (process, number, sent) = (candidate.process, candidate.watch.number, candidate.watch.sent);
        let since = self.server.changes.partition_point(|(version, _)| *version <= sent);
        let news: Vec<_> = self.server.changes[since..].to_vec();
        for (version, change) in news {
            let lag = if self.is_calm() {
                0
            } else {
                u64::try_from(self.candidates[place].way.watch_lags.as_nanos()).unwrap()
            };
            let at = (self.now + self.latency(place) + lag).min(self.calm_at.max(self.now + 10_000_000));
            let watch = &mut self.candidates[place].watch;
            let at = at.max(watch.arrives_at + 1);
            (watch.sent, watch.arrives_at) = (version, at);
            let what = match change {
                Change::Is(seen) => Observation::Watched(seen),
                Change::Deleted { uid } => Observation::WatchedDeletion { uid },
            };
            self.schedule(at, Event::Hears { place, process, watch: Some(number), what });
        }
    }
}

/// What an error says of what was done all the same.
fn failed(answer: Answer) -> Answer {
    match answer {
        Answer::Lease(_) => Answer::Lost,
        other => other,
    }
}
