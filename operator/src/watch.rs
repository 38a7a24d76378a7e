//! What is watched: elements, and everything that carries our label. Users' objects are not.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::Api;
use kube::api::DynamicObject;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use storage_element_crds::StorageElement;
use tokio::sync::watch::Sender;
use tokio_util::sync::CancellationToken;

use crate::cache::{Children, Elements, Key, Kind};
use crate::cluster::Cluster;
use crate::metrics::Metrics;
use crate::names::ELEMENT_LABEL;
use crate::queue::Queue;

/// News come in bursts: one look after them instead of one for each.
const BURST: Duration = Duration::from_millis(100);
/// Objects of one page of a list: bounds what is in memory at once, together with [`Sight::turn`].
const PAGE: u32 = 50;

/// Where the watches put what they see.
#[derive(Clone)]
pub struct Sight {
    /// The elements.
    pub elements: Arc<Elements>,
    /// What belongs to them.
    pub children: Arc<Children>,
    /// Who is told.
    pub queue: Arc<Queue>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How many watches have a complete list by now.
    pub complete: Sender<usize>,
}

impl Sight {
    fn news(&self, key: Option<Key>) {
        if let Some(key) = key {
            self.queue.add(key, BURST);
        }
    }

    fn failed(&self, kind: &str, error: &watcher::Error) {
        self.metrics.watch_errors.with_label_values(&[kind]).inc();
        tracing::warn!(kind, %error, "a watch broke and is taken up again");
    }

    /// Waits until `before` watches have their list: one list after the other takes hardly longer than all at once, and
    /// what they take on the way is not asked of the memory together.
    async fn turn(&self, before: usize, stop: &CancellationToken) {
        let mut complete = self.complete.subscribe();
        let _ = stop.run_until_cancelled(complete.wait_for(|count| *count >= before)).await;
    }

    fn completed(&self) {
        self.complete.send_modify(|count| *count += 1);
    }
}

/// Watches the elements of `namespace` (`None`: all) until `stop`.
/// Begins when `before` watches have their list.
pub async fn elements(
    cluster: Cluster,
    namespace: Option<String>,
    sight: Sight,
    before: usize,
    stop: CancellationToken,
) {
    sight.turn(before, &stop).await;
    let client = cluster.client();
    let api: Api<DeserializeGuard<StorageElement>> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let config = watcher::Config::default().page_size(PAGE);
    let mut events = watcher(api, config).default_backoff().take_until(stop.cancelled_owned()).boxed();
    let mut seen = HashSet::new();
    let mut first = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => seen.clear(),
            Ok(Event::InitApply(object)) => {
                let metadata = kube::Resource::meta(&object);
                if let (Some(namespace), Some(name)) = (metadata.namespace.clone(), metadata.name.clone()) {
                    seen.insert(Key::new(namespace, name));
                }
                sight.news(sight.elements.put(object));
            }
            Ok(Event::InitDone) => {
                for key in sight.elements.retain(namespace.as_deref(), &std::mem::take(&mut seen)) {
                    sight.news(Some(key));
                }
                if std::mem::take(&mut first) {
                    sight.completed();
                }
            }
            Ok(Event::Apply(object)) => sight.news(sight.elements.put(object)),
            Ok(Event::Delete(object)) => sight.news(sight.elements.remove(&object)),
            Err(error) => sight.failed("StorageElement", &error),
        }
        let (readable, unreadable) = sight.elements.counts();
        sight.metrics.elements.set(i64::try_from(readable).unwrap_or(i64::MAX));
        sight.metrics.unreadable.set(i64::try_from(unreadable).unwrap_or(i64::MAX));
    }
}

/// Watches what carries our label, of one kind, in `namespace` (`None`: all), until `stop`.
/// Begins when `before` watches have their list.
pub async fn children(
    cluster: Cluster,
    kind: Kind,
    namespace: Option<String>,
    sight: Sight,
    before: usize,
    stop: CancellationToken,
) {
    sight.turn(before, &stop).await;
    let (client, resource) = (cluster.client(), kind.resource());
    let api: Api<DynamicObject> = match &namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let config = watcher::Config::default().labels(ELEMENT_LABEL).page_size(PAGE);
    let mut events = watcher(api, config).default_backoff().take_until(stop.cancelled_owned()).boxed();
    let mut seen = HashSet::new();
    let mut first = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => seen.clear(),
            Ok(Event::InitApply(object)) => {
                seen.extend(object.metadata.uid.clone());
                sight.news(sight.children.put(kind, object));
            }
            Ok(Event::InitDone) => {
                for key in sight.children.retain(kind, namespace.as_deref(), &std::mem::take(&mut seen)) {
                    sight.news(Some(key));
                }
                if std::mem::take(&mut first) {
                    sight.completed();
                }
            }
            Ok(Event::Apply(object)) => sight.news(sight.children.put(kind, object)),
            Ok(Event::Delete(object)) => sight.news(sight.children.remove(kind, &object)),
            Err(error) => sight.failed(kind.as_str(), &error),
        }
    }
}
