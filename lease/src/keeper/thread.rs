//! The thread itself (a stand-in until the real one is merged).

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use tokio::sync::mpsc;

use super::standing::{Counted, Standing};
use super::{Ended, StartError};
use crate::protocol::{Action, Answer, Moment, Observation, Seen, State, Wish, Write, WriteKind};
use crate::{BootInstant, Settings};

/// Starts it.
pub(super) fn start(
    config: kube::Config,
    settings: Settings,
    standing: Arc<Standing>,
    wished: mpsc::Receiver<Wish>,
) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("lease".to_owned()).spawn(move || {
        let why = runtime.block_on(run(config, settings, &standing, wished));
        standing.end(why);
    })?;
    Ok(())
}

fn now() -> Moment {
    Moment { boot: BootInstant::now(), wall_micros: Timestamp::now().as_microsecond() }
}

async fn run(
    config: kube::Config,
    settings: Settings,
    standing: &Arc<Standing>,
    mut wished: mpsc::Receiver<Wish>,
) -> Ended {
    let client = match Client::try_from(config) {
        Ok(client) => client,
        Err(error) => return Ended::Failed(error.to_string()),
    };
    let api: Api<Lease> = Api::namespaced(client, &settings.namespace);
    let name = settings.name.clone();
    let mut state = State::new(settings);
    let (tell, mut told) = mpsc::channel::<Observation>(64);
    let mut request: Option<tokio::task::JoinHandle<()>> = None;
    let mut watching: Option<tokio::task::JoinHandle<()>> = None;
    let mut observation = Observation::Tick;
    let mut last = None;
    loop {
        let actions = state.step(observation, now());
        for action in actions {
            let (api, name, tell) = (api.clone(), name.clone(), tell.clone());
            match action {
                Action::Get(id) => {
                    if let Some(old) = request.take() {
                        old.abort();
                    }
                    request = Some(tokio::spawn(async move {
                        let answer = match api.get(&name).await {
                            Ok(lease) => Answer::Lease(seen(&lease)),
                            Err(kube::Error::Api(error)) if error.code == 404 => Answer::NotFound,
                            Err(error) => {
                                tracing::debug!(%error, "get");
                                Answer::Refused
                            }
                        };
                        let _ = tell.send(Observation::Answered(id, answer)).await;
                    }));
                }
                Action::Put(id, write) => {
                    if let Some(old) = request.take() {
                        old.abort();
                    }
                    let standing = Arc::clone(standing);
                    request = Some(tokio::spawn(async move {
                        let renew = write.kind == WriteKind::Renew;
                        let lease = lease(&name, &write);
                        let (answer, counted) = match api.replace(&name, &PostParams::default(), &lease).await {
                            Ok(lease) => (Answer::Lease(seen(&lease)), Counted::Ok),
                            Err(kube::Error::Api(error)) if error.code == 409 => (Answer::Conflict, Counted::Conflict),
                            Err(kube::Error::Api(error)) if error.code == 404 => (Answer::NotFound, Counted::Error),
                            Err(kube::Error::Api(error)) if error.code < 500 => (Answer::Refused, Counted::Error),
                            Err(_) => (Answer::Lost, Counted::Error),
                        };
                        if renew {
                            standing.count(counted);
                        }
                        let _ = tell.send(Observation::Answered(id, answer)).await;
                    }));
                }
                Action::Watch { after } => {
                    if let Some(old) = watching.take() {
                        old.abort();
                    }
                    watching = Some(tokio::spawn(async move {
                        let params = WatchParams::default().fields(&format!("metadata.name={name}"));
                        if let Ok(stream) = api.watch(&params, &after).await {
                            let mut stream = std::pin::pin!(stream);
                            while let Some(event) = stream.next().await {
                                let seen = match event {
                                    Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => {
                                        Observation::Watched(seen(&lease))
                                    }
                                    Ok(WatchEvent::Deleted(lease)) => Observation::WatchedDeletion {
                                        uid: lease.metadata.uid.unwrap_or_default(),
                                    },
                                    Ok(WatchEvent::Bookmark(_)) => continue,
                                    _ => break,
                                };
                                let _ = tell.send(seen).await;
                            }
                        }
                        let _ = tell.send(Observation::WatchEnded).await;
                    }));
                }
            }
        }
        let term = state.term();
        match term {
            Some((transitions, deadline)) => {
                if last.is_none() {
                    standing.count(Counted::Takeover);
                }
                standing.holds(transitions, deadline);
            }
            None => standing.holds_nothing(),
        }
        last = term.map(|(transitions, _)| transitions);
        if let Some(at) = state.renewed_at() {
            standing.renewed_at(at);
        }
        standing.believe(state.belief());
        if state.has_ended() {
            return Ended::Released;
        }
        let wake = state.next_wake().map_or(Duration::from_secs(1), |at| at - BootInstant::now());
        observation = tokio::select! {
            Some(observation) = told.recv() => observation,
            wish = wished.recv() => match wish {
                Some(wish) => Observation::Wished(wish),
                None => return Ended::Failed("dropped".to_owned()),
            },
            () = tokio::time::sleep(wake) => Observation::Tick,
        };
    }
}

fn seen(lease: &Lease) -> Seen {
    let spec = lease.spec.clone().unwrap_or_default();
    Seen {
        uid: lease.metadata.uid.clone().unwrap_or_default(),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        transitions: spec.lease_transitions.and_then(|number| u64::try_from(number).ok()).unwrap_or(0),
        duration: spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
        renewed_micros: spec.renew_time.map(|time| time.0.as_microsecond()),
    }
}

fn lease(name: &str, write: &Write) -> Lease {
    let time = Timestamp::from_microsecond(write.wall_micros).ok().map(MicroTime);
    let mut lease = Lease::default();
    lease.metadata.name = Some(name.to_owned());
    lease.metadata.resource_version = Some(write.base.version.clone());
    lease.metadata.uid = Some(write.base.uid.clone());
    lease.spec = Some(k8s_openapi::api::coordination::v1::LeaseSpec {
        holder_identity: Some(write.holder.clone().unwrap_or_default()),
        lease_transitions: i32::try_from(write.transitions).ok(),
        lease_duration_seconds: i32::try_from(write.duration.as_secs().max(1)).ok(),
        renew_time: time.clone(),
        acquire_time: time,
        ..Default::default()
    });
    lease
}
