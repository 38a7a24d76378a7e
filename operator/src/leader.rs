//! One of the operator's replicas acts: the one that holds the Lease `storage-operator`.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use storage_lease::{Belief, Keeper, Settings as LeaseSettings};
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::names::MANAGER;
use crate::settings::Settings;

/// The candidacy of this process, if there is an election.
pub struct Leadership {
    keeper: Option<Keeper>,
}

impl Leadership {
    /// Makes the Lease, if it is not there, and stands for election.
    ///
    /// # Errors
    /// When the election cannot begin.
    pub async fn begin(cluster: &Cluster, settings: &Settings, stop: &CancellationToken) -> anyhow::Result<Self> {
        if !settings.leader_election {
            return Ok(Self { keeper: None });
        }
        make_lease(cluster, settings, stop).await;
        let identity = format!("{}_{}_{}", settings.pod_name, settings.pod_uid, uuid::Uuid::new_v4());
        let mut lease = LeaseSettings::new(settings.pod_namespace.clone(), MANAGER, identity);
        // Two that act at once for a moment do no harm: every write is idempotent and conditional.
        lease.take_unheld_at_once = true;
        let keeper = Keeper::start(kube::Config::infer().await?, lease)?;
        Ok(Self { keeper: Some(keeper) })
    }

    /// Gives the Lease up, so that another replica acts at once.
    pub async fn release(self) {
        if let Some(keeper) = self.keeper {
            let ended = keeper.release().await;
            tracing::info!(%ended, "leadership was given up");
        }
    }
}

/// Waits until this replica is to act. `false`: the process is to stop first.
pub async fn elected(leadership: &Leadership, stop: &CancellationToken) -> bool {
    let Some(keeper) = &leadership.keeper else { return !stop.is_cancelled() };
    let mut belief = keeper.belief();
    let won = async { belief.wait_for(|belief| matches!(belief, Belief::Holding { .. })).await.is_ok() };
    tokio::select! {
        () = stop.cancelled() => false,
        won = won => won,
        _ = keeper.ended() => false,
    }
}

/// Waits until leadership is lost, and says why.
pub async fn lost(leadership: &Leadership) -> String {
    let Some(keeper) = &leadership.keeper else { return std::future::pending().await };
    let mut belief = keeper.belief();
    let not_held = async {
        let _ = belief.wait_for(|belief| !matches!(belief, Belief::Holding { .. })).await;
    };
    tokio::select! {
        () = not_held => "another replica took the Lease, or it could not be renewed in time".to_owned(),
        ended = keeper.ended() => ended.to_string(),
    }
}

async fn make_lease(cluster: &Cluster, settings: &Settings, stop: &CancellationToken) {
    let api: Api<Lease> = Api::namespaced(cluster.client(), &settings.pod_namespace);
    let lease = Lease { metadata: ObjectMeta { name: Some(MANAGER.to_owned()), ..ObjectMeta::default() }, spec: None };
    loop {
        match api.create(&PostParams::default(), &lease).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 409 => return,
            Err(error) => tracing::warn!(%error, "the operator's Lease could not be made; tried again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(std::time::Duration::from_secs(2)) => {}
        }
    }
}
