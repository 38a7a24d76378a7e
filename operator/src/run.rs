//! `storage-operator run`: puts everything together.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cache::{Children, Elements, Kind};
use crate::cluster::{Cluster, Recorder};
use crate::health::{self, Health};
use crate::keys::Maker;
use crate::leader::{self, Leadership};
use crate::metrics::Metrics;
use crate::node_client::Nodes;
use crate::queue::Queue;
use crate::reconcile::{Context, Seen};
use crate::settings::Settings;
use crate::watch::{self as watches, Sight};
use crate::{controller, logs};

/// Runs until SIGTERM or SIGINT, or until leadership is lost.
///
/// # Errors
/// What keeps the operator from working at all.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    logs::begin(&settings.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(stop_on_signal(stop.clone())?);

    let metrics = Arc::new(Metrics::new()?);
    let health = Arc::new(Health::default());
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("LISTEN {}: the port cannot be had", settings.listen))?;
    tracing::info!(address = %listener.local_addr()?, version = env!("CARGO_PKG_VERSION"), "the operator has started");
    let pages = health::serve(listener, Arc::clone(&health), Arc::clone(&metrics), stop.clone());
    tasks.spawn(async move {
        if let Err(error) = pages.await {
            tracing::error!(%error, "health and metrics ended");
        }
    });

    let cluster = Cluster::connect(Arc::clone(&metrics), settings.exit_after_writes).await?;
    let knows_service_monitors = ask_for_service_monitors(&cluster, &stop).await;
    let (elements, children, queue) = (Arc::<Elements>::default(), Arc::<Children>::default(), Arc::<Queue>::default());
    let (complete, mut completed) = watch::channel(0);
    let sight = Sight {
        elements: Arc::clone(&elements),
        children: Arc::clone(&children),
        queue: Arc::clone(&queue),
        metrics: Arc::clone(&metrics),
        complete,
    };
    let watched = watch_all(&mut tasks, &cluster, &settings, &sight, knows_service_monitors, &stop);

    let leadership = Leadership::begin(&cluster, &settings, &stop).await?;
    tokio::select! {
        () = stop.cancelled() => {}
        // Nothing is decided on half a picture: what is not seen would be made anew.
        _ = completed.wait_for(|count| *count >= watched) => health.set_ready(true),
    }
    let elected = leader::elected(&leadership, &stop).await;
    if elected && !stop.is_cancelled() {
        metrics.leader.set(1);
        tracing::info!("this replica acts");
        let context = Context {
            recorder: Recorder::new(cluster.client(), &settings.pod_name),
            cluster,
            elements,
            children,
            maker: Maker::default(),
            nodes: Arc::<Nodes>::default(),
            queue,
            polls: Arc::<Queue>::default(),
            settings,
            metrics: Arc::clone(&metrics),
            knows_service_monitors,
            seen_secrets: Seen::default(),
        };
        let lost = leader::lost(&leadership);
        tokio::select! {
            () = controller::run(Arc::new(context), stop.clone()) => {}
            why = lost => {
                // Another may act from now on: no more writes of this process, not even those under way.
                anyhow::bail!("leadership was lost: {why}");
            }
        }
    }
    stop.cancel();
    leadership.release().await;
    while tasks.join_next().await.is_some() {}
    tracing::info!("the operator has stopped");
    Ok(())
}

fn watch_all(
    tasks: &mut JoinSet<()>,
    cluster: &Cluster,
    settings: &Settings,
    sight: &Sight,
    knows_service_monitors: bool,
    stop: &CancellationToken,
) -> usize {
    let mut watched = 0;
    for namespace in settings.scopes() {
        tasks.spawn(watches::elements(cluster.clone(), namespace.clone(), sight.clone(), watched, stop.clone()));
        watched += 1;
        for kind in Kind::ALL {
            if kind != Kind::ServiceMonitor || knows_service_monitors {
                let (cluster, sight, namespace) = (cluster.clone(), sight.clone(), namespace.clone());
                tasks.spawn(watches::children(cluster, kind, namespace, sight, watched, stop.clone()));
                watched += 1;
            }
        }
    }
    watched
}

/// Asked until the API server answers.
async fn ask_for_service_monitors(cluster: &Cluster, stop: &CancellationToken) -> bool {
    loop {
        match cluster.knows(Kind::ServiceMonitor).await {
            Ok(knows) => return knows,
            Err(failure) => tracing::warn!(error = %failure, "the API server is asked again"),
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(std::time::Duration::from_secs(2)) => {}
        }
    }
}

fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: the operator stops"),
            _ = interrupt.recv() => tracing::info!("SIGINT: the operator stops"),
            () = stop.cancelled() => {}
        }
        stop.cancel();
    })
}
