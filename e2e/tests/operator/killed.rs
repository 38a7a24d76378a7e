//! Killed after every single write to the API server, the operator comes to the same end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::ground::{Ground, KINDS, PATIENCE, plane, runtime, small, until};

/// A process that lives this long after its start had nothing more to write.
const QUIET: Duration = Duration::from_secs(6);

/// What is the same however often it was begun: names, owners, specs; no UIDs, keys, versions or times.
async fn end_state(ground: &Ground, element: &str) -> BTreeMap<String, Value> {
    let mut state = BTreeMap::new();
    for name in ground.versions(element).await.into_keys() {
        let (kind, object) = name.split_once(' ').unwrap();
        // Pods are made by the StatefulSet's controller.
        if kind == "Pod" {
            continue;
        }
        let value = ground.get(kind, object).await.unwrap();
        let keys: Vec<String> =
            value["data"].as_object().map(|data| data.keys().cloned().collect()).unwrap_or_default();
        let mut spec = value["spec"].clone();
        for field in ["clusterIP", "clusterIPs"] {
            spec.as_object_mut().map(|spec| spec.remove(field));
        }
        let owners = value["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
        state.insert(
            name.replace(&ground.namespace, "NAMESPACE"),
            serde_json::from_str(
                &json!({"labels": value["metadata"]["labels"], "owners": owners, "spec": spec, "keys": keys,
                        "rules": value["rules"]})
                .to_string()
                .replace(&ground.namespace, "NAMESPACE"),
            )
            .unwrap(),
        );
    }
    state
}

/// Starts operators that die after one write each, until one has nothing to write.
async fn killed_after_each_write(ground: &Ground, mut between: impl AsyncFnMut()) -> usize {
    let begun = Instant::now();
    let mut killed = 0;
    loop {
        let operator = ground.operator().with("EXIT_AFTER_WRITES", "1").start().unwrap();
        let started = Instant::now();
        while operator.process().is_running() && started.elapsed() < QUIET {
            tokio::time::sleep(Duration::from_millis(50)).await;
            between().await;
        }
        if operator.process().is_running() {
            return killed;
        }
        killed += 1;
        assert!(begun.elapsed() < PATIENCE * 5, "it goes on writing: {killed} writes; {}", operator.log());
    }
}

#[test]
fn making_an_element_comes_to_the_same_end() {
    assert!(KINDS.len() > 10);
    plane();
    runtime().block_on(async {
        let (calm, rough) = (Ground::new().await, Ground::new().await);
        let operator = calm.operator().start_ready().unwrap();
        calm.apply("a", &small()).await;
        calm.settled("a").await;
        rough.apply("a", &small()).await;
        let killed = killed_after_each_write(&rough, async || {}).await;
        assert!(killed > 15, "each object was a write: {killed}");
        let (expected, found) = (end_state(&calm, "a").await, end_state(&rough, "a").await);
        // The name of a ConfigMap is its hash, and its content names the namespace.
        let names = |state: &BTreeMap<String, Value>| -> Vec<String> {
            state.keys().map(|name| name.split("config-").next().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&found), names(&expected));
        for (name, object) in &expected {
            if let Some(found) = found.get(name).filter(|_| !name.starts_with("StatefulSet")) {
                assert_eq!(found, object, "{name}");
            }
        }
        rough.settled("a").await;
        drop(operator);
    });
}

#[test]
fn deleting_an_element_comes_to_the_same_end() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let mut spec = small();
        spec["deletionPolicy"] = json!("Delete");
        {
            let _operator = ground.operator().start_ready().unwrap();
            ground.apply("a", &spec).await;
            ground.settled("a").await;
        }
        ground.delete_element("a").await;
        let killed = killed_after_each_write(&ground, async || ground.end_deleted_pods("a").await).await;
        assert!(killed > 5, "{killed}");
        until("the element is gone", async || ground.elements().get_opt("a").await.unwrap().is_none()).await;
        until("claims and Secrets are gone", async || {
            let left = ground.versions("a").await;
            !left.keys().any(|name| name.starts_with("Secret") || name.starts_with("PersistentVolumeClaim"))
        })
        .await;
    });
}
