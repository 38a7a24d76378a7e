//! Once a minute each element's nodes are asked how it is: what moves all the time comes from here and not from the API
//! server.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use super::call::{NodeFailure, Target, info};
use crate::cache::{Child, Key};
use crate::reconcile::{Context, PodView, master_pod, pods_of};

/// How often.
pub const INTERVAL: Duration = Duration::from_mins(1);
/// The calls of many elements are spread over this.
const SPREAD_MS: u64 = 6_000;

/// Asks the nodes of `key`, the master first. Returns when to ask again: never while no pod is ready, since whatever makes
/// one ready asks for a poll.
pub async fn poll(context: &Context, key: &Key) -> Option<Duration> {
    let Some(element) = context.elements.get(key) else {
        context.nodes.forget(key);
        return None;
    };
    let children = context.children.of(key);
    let candidates = in_order(&children);
    if candidates.is_empty() {
        return None;
    }
    let known = element.status.as_ref().and_then(|status| status.element_id.as_deref());
    let mut last = NodeFailure::Unreachable("no pod has an address".to_owned());
    for pod in candidates {
        let address = pod.address.as_deref().unwrap_or_default();
        let Some(target) = Target::of(key, &pod.name, address, &children, known) else { break };
        match info(&target).await {
            Ok(info) => {
                context.metrics.node_calls.with_label_values(&["info", "ok"]).inc();
                if context.nodes.answered(key, info) {
                    context.queue.add(key.clone(), Duration::ZERO);
                }
                return Some(again(key));
            }
            Err(failure) => {
                context.metrics.node_calls.with_label_values(&["info", "failed"]).inc();
                tracing::debug!(element = %key, pod = pod.name, error = %failure, "a node did not say how it is");
                last = failure;
            }
        }
    }
    if context.nodes.failed(key, last.to_string()) {
        context.queue.add(key.clone(), Duration::ZERO);
    }
    Some(again(key))
}

/// Ready pods, the master first.
fn in_order(children: &[Arc<Child>]) -> Vec<PodView> {
    let mut pods = pods_of(children);
    pods.retain(|pod| pod.ready && pod.address.is_some());
    let master = master_pod(children, &pods);
    pods.sort_by_key(|pod| Some(&pod.name) != master.as_ref());
    pods
}

/// The same for an element every time, another for each.
fn again(key: &Key) -> Duration {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    INTERVAL + Duration::from_millis(hasher.finish() % SPREAD_MS)
}
