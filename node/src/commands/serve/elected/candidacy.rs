//! How this process stands for the Lease.

use std::sync::Arc;
use std::time::Duration;

use storage_lease::{Keeper, Settings};
use uuid::Uuid;

use crate::commands::CommandError;
use crate::config::ElectionConfig;

/// Who stands, for which Lease, and where.
pub(super) struct Candidate {
    client: kube::Config,
    settings: Settings,
    node: String,
    pod: String,
}

impl Candidate {
    /// Reads where the API server is (as a pod is told, or from `KUBECONFIG`), and what this pod is called.
    pub(super) async fn new(election: &ElectionConfig) -> Result<Self, CommandError> {
        let client = kube::Config::infer().await.map_err(|error| {
            CommandError::Other(format!(
                "where the Kubernetes API server is cannot be told ({error}): run in a pod with a service account, set \
                 KUBECONFIG, or use election.kind = lock"
            ))
        })?;
        let node = named("POD_NAME")
            .or_else(|| named("HOSTNAME"))
            .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
        let pod = named("POD_UID").map_or_else(|| node.clone(), |uid| format!("{node}_{uid}"));
        let settings = Settings {
            namespace: election.namespace.clone().unwrap_or_default(),
            name: election.lease_name.clone().unwrap_or_default(),
            identity: String::new(),
            lease_duration: election.lease_duration,
            renew_deadline: election.renew_deadline,
            retry_period: election.retry_period,
            take_unheld_at_once: false,
        };
        Ok(Self { client, settings, node, pod })
    }

    /// What the pod is called.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Twice the time after which others take over: how long to stand aside.
    pub(super) fn aside(&self) -> Duration {
        self.settings.lease_duration * 2
    }

    /// How long a candidate that holds the Lease may be of no use before it gives it up.
    pub(super) const fn patience(&self) -> Duration {
        self.settings.renew_deadline
    }

    /// Begins a candidacy; under which name, and who keeps the Lease. With `new` there is nothing yet that an earlier
    /// holder could still write to, so a Lease nobody ever held is taken at once.
    pub(super) fn stand(&self, new: bool) -> Result<(String, Arc<Keeper>), CommandError> {
        // A name of its own for each candidacy: one that could not be released is waited out like a stranger's.
        let identity = format!("{}_{}", self.pod, Uuid::new_v4());
        let settings = Settings { identity: identity.clone(), take_unheld_at_once: new, ..self.settings.clone() };
        let keeper = Keeper::start(self.client.clone(), settings)
            .map_err(|error| CommandError::Other(format!("the Lease cannot be stood for: {error}")))?;
        tracing::info!(
            identity,
            namespace = self.settings.namespace,
            lease = self.settings.name,
            "a candidate for the Lease"
        );
        Ok((identity, Arc::new(keeper)))
    }
}

/// A variable that is there and not empty.
fn named(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
