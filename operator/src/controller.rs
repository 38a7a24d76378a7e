//! When an element is looked at, by how many at a time, and what an error leads to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::cache::Key;
use crate::cluster::Cause;
use crate::node_client;
use crate::reconcile::{Context, reconcile};

/// After a first failure the next try comes this soon.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// And never later than this.
const LAST_RETRY: Duration = Duration::from_secs(15);
/// An element is looked at this often even if no watch says a word.
const RESYNC: Duration = Duration::from_mins(30);
/// Calls to nodes at the same time.
const POLLERS: usize = 8;

/// Works until `stop`; what is being done is finished.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let failures = Arc::new(Mutex::new(HashMap::new()));
    let mut workers = JoinSet::new();
    for _ in 0..context.settings.workers {
        workers.spawn(worker(Arc::clone(&context), Arc::clone(&failures), stop.clone()));
    }
    for _ in 0..POLLERS {
        workers.spawn(poller(Arc::clone(&context), stop.clone()));
    }
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended {
            // A bug in one look must not silently leave the rest without a worker.
            tracing::error!(%error, "a worker ended; the operator stops, to be started anew");
            stop.cancel();
        }
    }
}

async fn worker(context: Arc<Context>, failures: Arc<Mutex<HashMap<Key, u32>>>, stop: CancellationToken) {
    loop {
        let key = tokio::select! {
            () = stop.cancelled() => return,
            key = context.queue.next() => key,
        };
        let began = Instant::now();
        let span = tracing::info_span!("reconcile", namespace = key.namespace, element = key.name);
        let outcome = reconcile(&context, &key).instrument(span).await;
        let (result, again) = match outcome {
            Ok(outcome) => {
                failures.lock().remove(&key);
                match outcome.again {
                    Some(after) => ("waiting", Some(after)),
                    None if context.elements.get(&key).is_some() => ("settled", Some(jittered(RESYNC))),
                    None => ("settled", None),
                }
            }
            Err(failure) => {
                let count = {
                    let mut failures = failures.lock();
                    let count = failures.entry(key.clone()).or_insert(0);
                    *count += 1;
                    *count
                };
                let after = backoff(count);
                // Somebody else was faster: everyday life.
                if matches!(failure.cause, Cause::Conflict(_)) {
                    tracing::debug!(element = %key, error = %failure, "tried again");
                } else {
                    tracing::warn!(element = %key, error = %failure, after_ms = after.as_millis(), "tried again");
                }
                ("failed", Some(after))
            }
        };
        context.metrics.reconciles.with_label_values(&[result]).inc();
        context.metrics.durations.with_label_values(&[result]).observe(began.elapsed().as_secs_f64());
        context.queue.done(&key, again);
        context.metrics.queued.set(i64::try_from(context.queue.len()).unwrap_or(i64::MAX));
    }
}

async fn poller(context: Arc<Context>, stop: CancellationToken) {
    loop {
        let key = tokio::select! {
            () = stop.cancelled() => return,
            key = context.polls.next() => key,
        };
        let again = tokio::select! {
            () = stop.cancelled() => return,
            again = node_client::poll(&context, &key) => again,
        };
        context.polls.done(&key, again);
    }
}

/// Doubles with each failure in a row, up to a limit; no two elements in step.
fn backoff(failures: u32) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(10));
    jittered(doubled.min(LAST_RETRY))
}

fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use super::{LAST_RETRY, backoff};

    #[test]
    fn tries_become_rarer_up_to_a_limit() {
        assert!(backoff(1) < backoff(3) && backoff(3) < backoff(6));
        assert!(backoff(u32::MAX) <= LAST_RETRY.mul_f64(1.2));
    }
}
