//! What somebody changes is brought back; what others add stays.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::ground::{Ground, plane, replicated, runtime, until};

/// What is promised.
const WITHIN: Duration = Duration::from_secs(2);
/// A machine that is busy gets more than one try.
const TRIES: usize = 4;

async fn changed(ground: &Ground, kind: &str, name: &str, change: &Value) {
    ground.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
}

/// Breaks something until it came back in time once.
async fn comes_back(what: &str, mut broken: impl AsyncFnMut(), mut back: impl AsyncFnMut() -> bool) {
    let mut times = Vec::new();
    for _ in 0..TRIES {
        broken().await;
        let begun = Instant::now();
        until(what, async || back().await).await;
        times.push(begun.elapsed());
        if begun.elapsed() <= WITHIN {
            return;
        }
    }
    panic!("{what}: not within {WITHIN:?} in {TRIES} tries: {times:?}");
}

#[test]
fn edited_and_deleted_objects_come_back_and_foreign_fields_stay() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &replicated()).await;
        ground.settled("a").await;

        for (kind, name) in [
            ("Service", "a"),
            ("Service", "a-headless"),
            ("NetworkPolicy", "a"),
            ("PodDisruptionBudget", "a"),
            ("Role", "a"),
            ("RoleBinding", "a"),
            ("ServiceAccount", "a"),
            ("Lease", "a"),
            ("Secret", "a-jwks"),
            ("Secret", "a-peer-tls"),
        ] {
            let uid = async || ground.get(kind, name).await.map(|object| object["metadata"]["uid"].to_string());
            let mut before = None;
            comes_back(
                &format!("{kind} {name} is made again"),
                async || {
                    before = uid().await;
                    ground.delete(kind, name).await;
                },
                async || ground.get(kind, name).await.is_some(),
            )
            .await;
            assert_ne!(uid().await, before, "{kind} {name}");
        }

        let edits = [
            ("StatefulSet", "a", json!({"spec": {"replicas": 7}}), "/spec/replicas"),
            ("Service", "a", json!({"spec": {"selector": {"storage.artstore.dev/element": "b"}}}), "/spec/selector"),
            ("NetworkPolicy", "a", json!({"spec": {"ingress": [{}]}}), "/spec/ingress"),
            ("Role", "a", json!({"rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]}), "/rules"),
            ("Secret", "a-jwks", json!({"data": {"jwks.json": "e30="}}), "/data"),
            ("PodDisruptionBudget", "a", json!({"spec": {"maxUnavailable": 3}}), "/spec/maxUnavailable"),
            (
                "Service",
                "a",
                json!({"metadata": {"labels": {"storage.artstore.dev/element": null}}}),
                "/metadata/labels",
            ),
        ];
        for (kind, name, change, field) in edits {
            let read = async || ground.get(kind, name).await.unwrap().pointer(field).cloned();
            let before = read().await;
            comes_back(
                &format!("{field} of {kind} {name} is as it was"),
                async || {
                    changed(&ground, kind, name, &change).await;
                },
                async || read().await == before,
            )
            .await;
        }
        until("it is told", async || ground.events("a").await.iter().any(|event| event.starts_with("BroughtBack")))
            .await;

        // Others' fields are left alone, also when the object is applied again.
        let foreign = json!({"metadata": {"annotations": {"others": "x"}, "labels": {"others": "y"}},
                             "spec": {"sessionAffinity": "ClientIP"}});
        changed(&ground, "Service", "a", &foreign).await;
        ground.patch("a", &json!({"spec": {"service": {"annotations": {"ours": "z"}}}})).await;
        until("the Service has its new annotation", async || {
            ground.get("Service", "a").await.unwrap()["metadata"]["annotations"]["ours"] == "z"
        })
        .await;
        let service = ground.get("Service", "a").await.unwrap();
        assert_eq!(service["metadata"]["annotations"]["others"], "x");
        assert_eq!(service["metadata"]["labels"]["others"], "y");
        assert_eq!(service["spec"]["sessionAffinity"], "ClientIP");
        ground.patch("a", &json!({"spec": {"service": null}})).await;
        until("an annotation that is not wished any more goes", async || {
            ground.get("Service", "a").await.unwrap()["metadata"]["annotations"].get("ours").is_none()
        })
        .await;

        // What is no longer wanted goes away.
        ground.patch("a", &json!({"spec": {"networkPolicy": {"enabled": false}, "replicas": 1}})).await;
        until("NetworkPolicy and PodDisruptionBudget go", async || {
            ground.get("NetworkPolicy", "a").await.is_none() && ground.get("PodDisruptionBudget", "a").await.is_none()
        })
        .await;
    });
}
