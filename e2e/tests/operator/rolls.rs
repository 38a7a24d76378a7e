//! Rolling changes, in the operator's own order.

use std::time::Duration;

use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::ground::{Ground, plane, replicated, runtime, small, until};

async fn three(ground: &Ground) {
    let secret = serde_json::from_value(json!({"metadata": {"name": "db"}, "stringData": {"uri": "x"}})).unwrap();
    ground.api("Secret").create(&PostParams::default(), &secret).await.unwrap();
    ground.apply("a", &replicated()).await;
    ground.settled("a").await;
    until("three pods are made", async || ground.pods("a").await.len() == 3).await;
    ground.make_ready(&["a-0", "a-1", "a-2"]).await;
    ground.make_master("a", "a-1").await;
    until("it is ready", async || ground.condition("a", "Ready").await.0 == "True").await;
    assert_eq!(ground.element("a").await["status"]["master"]["pod"], "a-1");
    until("roles are told as labels", async || {
        ground.get("Pod", "a-1").await.unwrap()["metadata"]["labels"]["storage.artstore.dev/role"] == "master"
    })
    .await;
}

async fn changed(ground: &Ground, pod: &str, change: &serde_json::Value) {
    ground.api("Pod").patch(pod, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
}

async fn uid(ground: &Ground, pod: &str) -> Option<String> {
    let pod = ground.get("Pod", pod).await?;
    pod["metadata"]["deletionTimestamp"].is_null().then(|| pod["metadata"]["uid"].to_string())
}

#[test]
fn standbys_go_one_at_a_time_and_the_master_last() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let operator = ground.operator().start_ready().unwrap();
        three(&ground).await;
        let mut uids = Vec::new();
        for pod in ["a-0", "a-1", "a-2"] {
            uids.push((pod, uid(&ground, pod).await));
        }
        // A Secret that changes, a mode, a size: none of it restarts anything.
        let change = json!({"stringData": {"uri": "y"}});
        ground.api("Secret").patch("db", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
        ground
            .patch(
                "a",
                &json!({"spec": {"deletionPolicy": "Delete", "adopt": {
            "elementID": "018f0000-0000-7000-8000-000000000000"}}}),
            )
            .await;
        ground.settled("a").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        for (pod, before) in &uids {
            assert_eq!(&uid(&ground, pod).await, before, "{pod} was restarted for nothing");
        }

        ground.patch("a", &json!({"spec": {"config": {"logging": {"level": "debug"}}}})).await;
        let mut order = Vec::new();
        for _ in 0..3 {
            let mut replaced = None;
            until("the next pod is replaced", async || {
                ground.end_deleted_pods("a").await;
                for (pod, before) in &uids {
                    if !order.contains(pod) && uid(&ground, pod).await.is_some_and(|now| Some(now) != *before) {
                        replaced = Some(*pod);
                    }
                }
                replaced.is_some()
            })
            .await;
            let pod = replaced.unwrap();
            order.push(pod);
            // Nothing more goes until it is ready.
            tokio::time::sleep(Duration::from_secs(2)).await;
            for (other, before) in &uids {
                if !order.contains(other) {
                    assert_eq!(&uid(&ground, other).await, before, "{other} went before {pod} was ready");
                }
            }
            ground.make_ready(&[pod]).await;
        }
        assert_eq!(order, ["a-2", "a-0", "a-1"], "the master last; {}", operator.log());
        until("the roll is over", async || ground.condition("a", "Reconciling").await.1 == "Settled").await;
        let maps = ground.versions("a").await.into_keys().filter(|name| name.starts_with("ConfigMap")).count();
        assert_eq!(maps, 1, "the ConfigMap that no pod uses is gone");
    });
}

#[test]
fn a_broken_revision_is_got_out_of() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        let mut spec = small();
        spec["podTemplate"] = json!({"image": "registry.example.org/no-such:1"});
        ground.apply("a", &spec).await;
        ground.settled("a").await;
        until("the pod is made", async || !ground.pods("a").await.is_empty()).await;
        let before = uid(&ground, "a-0").await;
        let waiting = json!({"reason": "ImagePullBackOff", "message": "not found"});
        ground
            .pod_status(
                "a-0",
                &json!({"phase": "Pending", "containerStatuses": [{
            "name": "node", "image": "registry.example.org/no-such:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": waiting}}]}),
            )
            .await;
        until("it is told", async || ground.condition("a", "Stalled").await.1 == "ImagePullFailed").await;
        let (_, _, message) = ground.condition("a", "Stalled").await;
        assert!(message.contains("no-such:1"), "{message}");
        ground.patch("a", &json!({"spec": {"podTemplate": {"image": "registry.example.org/storage-node:1"}}})).await;
        until("the broken pod is replaced", async || {
            ground.end_deleted_pods("a").await;
            uid(&ground, "a-0").await.is_some_and(|now| Some(now) != before)
        })
        .await;
        assert_eq!(
            ground.get("Pod", "a-0").await.unwrap()["spec"]["containers"][0]["image"],
            "registry.example.org/storage-node:1"
        );
    });
}

#[test]
fn a_change_of_database_stops_all_pods_before_one_starts() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        three(&ground).await;
        let held = json!({"metadata": {"finalizers": ["e2e/held"]}});
        changed(&ground, "a-1", &held).await;
        ground.patch("a", &json!({"spec": {"database": {"postgres": {"schema": "another"}}}})).await;
        until("all pods stop", async || ground.get("StatefulSet", "a").await.unwrap()["spec"]["replicas"] == 0).await;
        // One of them takes its time: none starts meanwhile.
        until("they are on their way out", async || ground.pods("a").await.is_empty()).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(ground.get("StatefulSet", "a").await.unwrap()["spec"]["replicas"], 0);
        assert_eq!(ground.condition("a", "Ready").await.1, "DatabaseChanges");
        changed(&ground, "a-1", &json!({"metadata": {"finalizers": null}})).await;
        until("they start again", async || {
            ground.end_deleted_pods("a").await;
            ground.pods("a").await.len() == 3
        })
        .await;
    });
}

#[test]
fn paused_changes_nothing_and_zero_replicas_keep_everything() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        ground.patch("a", &json!({"spec": {"paused": true}})).await;
        until("it is told", async || ground.condition("a", "Reconciling").await.1 == "Paused").await;
        ground.delete("Service", "a").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(ground.get("Service", "a").await.is_none(), "paused");
        ground.patch("a", &json!({"spec": {"paused": false, "replicas": 0}})).await;
        until("the Service is back", async || ground.get("Service", "a").await.is_some()).await;
        until("no pod runs", async || {
            ground.end_deleted_pods("a").await;
            ground.pods("a").await.is_empty()
        })
        .await;
        until("it is told", async || ground.condition("a", "Ready").await.1 == "Hibernated").await;
        assert!(ground.get("PersistentVolumeClaim", "a-data").await.is_some());
    });
}
