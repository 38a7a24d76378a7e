//! The thread itself: short and dull. What it does is decided by the protocol.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::standing::{Counted, Standing};
use super::{Ended, StartError};
use crate::api::{LeaseApi, Watching};
use crate::protocol::{Action, Answer, Belief, Moment, Observation, RequestId, State, Wish, WriteKind};
use crate::timer::BootTimer;
use crate::{BootInstant, Settings};

/// Starts it, and waits until it runs or says why not.
pub(super) fn start(
    config: kube::Config,
    settings: Settings,
    standing: Arc<Standing>,
    wished: mpsc::Receiver<Wish>,
) -> Result<std::thread::JoinHandle<()>, StartError> {
    let (ready, readied) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("lease-keeper".to_owned()).spawn(move || {
        // Whatever ends this thread, a panic included, ends the term with it.
        let ends = EndsWith(standing);
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error.into()))),
        };
        let begun = {
            let _inside = runtime.enter();
            begin(config, settings, Arc::clone(&ends.0), wished)
        };
        match begun {
            Ok(thread) => {
                let _ = ready.send(Ok(()));
                let why = runtime.block_on(thread.run());
                ends.0.end(why);
            }
            Err(error) => drop(ready.send(Err(error))),
        }
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
    })?;
    match readied.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(std::io::Error::other("it ended at once").into()),
    }
}

fn begin(
    config: kube::Config,
    settings: Settings,
    standing: Arc<Standing>,
    wished: mpsc::Receiver<Wish>,
) -> Result<Thread, StartError> {
    let api = LeaseApi::new(config, &settings)?;
    let timer = BootTimer::new()?;
    let state = State::new(settings.clone());
    Ok(Thread { settings, state, api, timer, standing, wished, request: None, watching: Watching::Not })
}

/// Ends the term when the thread is over, for a reason that nobody gave.
struct EndsWith(Arc<Standing>);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.end(Ended::Failed("it was not meant to".to_owned()));
    }
}

/// A request on its way.
struct Request {
    id: RequestId,
    renews: bool,
    answer: Pin<Box<dyn Future<Output = Answer>>>,
}

struct Thread {
    settings: Settings,
    state: State,
    api: LeaseApi,
    timer: BootTimer,
    standing: Arc<Standing>,
    wished: mpsc::Receiver<Wish>,
    request: Option<Request>,
    watching: Watching,
}

impl Thread {
    async fn run(mut self) -> Ended {
        let mut observation = Observation::Tick;
        loop {
            self.observe(observation);
            if self.state.has_ended() {
                return Ended::Released;
            }
            if let Err(error) = self.timer.set(self.state.next_wake()) {
                return Ended::Failed(format!("its timer cannot be set: {error}"));
            }
            observation = tokio::select! {
                elapsed = self.timer.elapsed() => match elapsed {
                    Ok(()) => Observation::Tick,
                    Err(error) => return Ended::Failed(format!("its timer cannot be read: {error}")),
                },
                (id, answer) = answered(&mut self.request) => Observation::Answered(id, answer),
                shown = self.watching.next() => shown,
                wish = self.wished.recv() => match wish {
                    Some(wish) => Observation::Wished(wish),
                    None => return Ended::Failed("nobody owns it any more".to_owned()),
                },
            };
        }
    }

    fn observe(&mut self, observation: Observation) {
        if let (Observation::Answered(_, answer), Some(request)) = (&observation, &self.request)
            && request.renews
        {
            self.standing.count(outcome(answer));
        }
        let answered = matches!(observation, Observation::Answered(..));
        let before = self.state.belief();
        let actions = self.state.step(observation, now());
        // Before anything is sent: nobody may hear of a release while this process still believes itself the holder.
        self.publish(&before);
        if answered {
            self.request = None;
        }
        if let Some(request) = self.request.take_if(|request| !self.state.awaits(request.id))
            && request.renews
        {
            self.standing.count(Counted::Timeout);
        }
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Get(id) => {
                let answer = Box::pin(self.api.clone().get());
                self.request = Some(Request { id, renews: false, answer });
            }
            Action::Put(id, write) => {
                let renews = write.kind == WriteKind::Renew;
                let answer = Box::pin(self.api.clone().put(write));
                self.request = Some(Request { id, renews, answer });
            }
            Action::Watch { after } => self.watching = self.api.watch(after, self.settings.request_timeout()),
        }
    }

    fn publish(&self, before: &Belief) {
        match self.state.term() {
            Some((transitions, deadline)) => self.standing.holds(transitions, deadline),
            None => self.standing.holds_nothing(),
        }
        if let Some(at) = self.state.renewed_at() {
            self.standing.renewed_at(at);
        }
        let belief = self.state.belief();
        if *before == belief {
            return;
        }
        let (lease, identity) = (&self.settings.name, &self.settings.identity);
        match &belief {
            Belief::Holding { transitions } => {
                self.standing.count(Counted::Takeover);
                tracing::info!(lease, identity, transitions, "this process holds the Lease");
            }
            Belief::Following { holder: Some(holder) } => tracing::info!(lease, holder, "another holds the Lease"),
            Belief::Following { holder: None } => tracing::info!(lease, "nobody holds the Lease"),
            Belief::Unknown => tracing::warn!(lease, "there is no such Lease"),
        }
        self.standing.believe(belief);
    }
}

async fn answered(request: &mut Option<Request>) -> (RequestId, Answer) {
    match request {
        Some(request) => (request.id, request.answer.as_mut().await),
        None => std::future::pending().await,
    }
}

const fn outcome(answer: &Answer) -> Counted {
    match answer {
        Answer::Lease(_) => Counted::Ok,
        Answer::Conflict => Counted::Conflict,
        Answer::NotFound | Answer::Refused | Answer::Lost => Counted::Error,
    }
}

/// The wall clock is only written down: one before 1970 is as good as any.
fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment { boot: BootInstant::now(), wall_micros: i64::try_from(since.as_micros()).unwrap_or(i64::MAX) }
}
