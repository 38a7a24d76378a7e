//! The Lease object, as the API server shows and takes it.

mod object;
mod watch;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use parking_lot::Mutex;

use crate::Settings;
use crate::protocol::{Answer, Write};

pub(crate) use self::watch::Watching;

/// How many versions are kept. A write is decided on the latest; this many cannot come between.
const KEPT: usize = 8;

/// One Lease on an API server, and no more of it than `get`, `update` and `watch` by name: `list` is not ours to ask for,
/// and it would make an index of who else has Leases here.
#[derive(Clone)]
pub(crate) struct LeaseApi {
    api: Api<Lease>,
    name: String,
    seen: Arc<Mutex<VecDeque<Lease>>>,
}

impl LeaseApi {
    /// A client of its own, on the runtime that this is called on.
    pub(crate) fn new(mut config: kube::Config, settings: &Settings) -> Result<Self, kube::Error> {
        // It would send a write again whose answer was an error: the first may have been done, the second is then a
        // conflict with ourselves. And it takes time that nobody counts.
        config.default_retry = false;
        config.connect_timeout = Some(settings.request_timeout());
        // A watch may have nothing to read for long.
        config.read_timeout = None;
        let api = Api::namespaced(kube::Client::try_from(config)?, &settings.namespace);
        Ok(Self { api, name: settings.name.clone(), seen: Arc::default() })
    }

    /// Reads it: from the store, not from a cache, since no version is named.
    pub(crate) async fn get(self) -> Answer {
        match self.api.get(&self.name).await {
            Ok(lease) => self.answer(lease),
            Err(error) => failed("read", &error),
        }
    }

    /// Writes it, if it is still the version that was decided on.
    pub(crate) async fn put(self, write: Write) -> Answer {
        let base = self.seen.lock().iter().find(|lease| object::is_version(lease, &write.base)).cloned();
        // Nothing to write over: to be read again.
        let Some(base) = base else { return Answer::Conflict };
        let lease = object::written(base, &write);
        match self.api.replace(&self.name, &PostParams::default(), &lease).await {
            Ok(lease) => self.answer(lease),
            Err(error) => failed("write", &error),
        }
    }

    /// Begins a watch after a version, waiting `patience` for it to begin.
    pub(crate) fn watch(&self, after: String, patience: Duration) -> Watching {
        Watching::begin(self.clone(), after, patience)
    }

    fn answer(&self, lease: Lease) -> Answer {
        self.keep(lease).map_or(Answer::Lost, Answer::Lease)
    }

    /// Keeps an object to write over: labels and whatever else others put there must survive our writes.
    fn keep(&self, lease: Lease) -> Option<crate::protocol::Seen> {
        let seen = object::seen(&lease)?;
        let mut kept = self.seen.lock();
        kept.retain(|other| !object::is_version(other, &seen));
        kept.truncate(KEPT - 1);
        kept.push_front(lease);
        Some(seen)
    }
}

/// What an error says of what was asked. Only a refusal by the server itself is certain.
fn failed(action: &str, error: &kube::Error) -> Answer {
    let answer = match error {
        kube::Error::Api(status) => match status.code {
            404 => Answer::NotFound,
            409 => Answer::Conflict,
            // The server stopped waiting, for what it had perhaps begun.
            408 => Answer::Lost,
            400..500 => Answer::Refused,
            _ => Answer::Lost,
        },
        _ => Answer::Lost,
    };
    if answer == Answer::Conflict {
        tracing::debug!(%error, "the Lease had changed before it was written");
    } else {
        tracing::warn!(%error, outcome = ?answer, "the API server did not {action} the Lease");
    }
    answer
}
