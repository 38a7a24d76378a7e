//! A watch of the one Lease, by name.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{WatchEvent, WatchParams};
use tokio::time::Instant;

use super::LeaseApi;
use crate::protocol::Observation;

/// The server ends a watch after this many seconds, and another begins where it ended.
const SECONDS: u32 = 290;

type Events = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<Lease>>> + Send>>;
type Beginning = Pin<Box<dyn Future<Output = kube::Result<Events>> + Send>>;

/// A watch that is being begun, runs, or is none.
///
/// A plain watch with a field selector, which `watch` on this one name allows. A reflector would list first, and `list`
/// is refused.
pub(crate) enum Watching {
    Not,
    Begins { api: LeaseApi, give_up_at: Instant, beginning: Beginning },
    Runs { api: LeaseApi, events: Events },
}

impl Watching {
    pub(super) fn begin(api: LeaseApi, after: String, patience: Duration) -> Self {
        let (leases, selector) = (api.api.clone(), format!("metadata.name={}", api.name));
        let beginning = async move {
            let params = WatchParams::default().fields(&selector).timeout(SECONDS);
            Ok(leases.watch(&params, &after).await?.boxed())
        };
        Self::Begins { api, give_up_at: Instant::now() + patience, beginning: Box::pin(beginning) }
    }

    /// What it shows next. Never, while there is none. Nothing is lost when this is not waited for to the end.
    pub(crate) async fn next(&mut self) -> Observation {
        if let Self::Begins { api, give_up_at, beginning } = self {
            match tokio::time::timeout_at(*give_up_at, beginning).await {
                Ok(Ok(events)) => *self = Self::Runs { api: api.clone(), events },
                Ok(Err(error)) => return self.ends(Some(&error)),
                Err(_elapsed) => return self.ends(None),
            }
        }
        loop {
            let Self::Runs { api, events } = self else { return std::future::pending().await };
            match events.next().await {
                Some(Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease))) => {
                    // The selector is the server's to honour; this is ours.
                    if lease.metadata.name.as_ref() == Some(&api.name)
                        && let Some(seen) = api.keep(lease)
                    {
                        return Observation::Watched(seen);
                    }
                }
                Some(Ok(WatchEvent::Deleted(lease))) => {
                    if let Some(uid) = lease.metadata.uid.filter(|_| lease.metadata.name.as_ref() == Some(&api.name)) {
                        return Observation::WatchedDeletion { uid };
                    }
                }
                Some(Ok(WatchEvent::Bookmark(_))) => {}
                // 410 above all: the version to go on from is forgotten. The protocol reads, and begins from there.
                Some(Ok(WatchEvent::Error(status))) => return self.ends(Some(&kube::Error::Api(status))),
                Some(Err(error)) => return self.ends(Some(&error)),
                None => return self.ends(None),
            }
        }
    }

    fn ends(&mut self, error: Option<&kube::Error>) -> Observation {
        *self = Self::Not;
        match error {
            Some(error) => tracing::debug!(%error, "the watch of the Lease ended"),
            None => tracing::trace!("the watch of the Lease ended"),
        }
        Observation::WatchEnded
    }
}
