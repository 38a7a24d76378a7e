//! Claims grow with `size`, and a growth that nobody can provide is taken back.

use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::ground::{Ground, plane, runtime, small, until};

#[test]
fn a_claim_grows_and_a_growth_is_taken_back() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let class = format!("class-{}", ground.namespace);
        for expandable in [true, false] {
            let name = format!("{class}-{expandable}");
            let made: StorageClass = serde_json::from_value(json!({
                "metadata": {"name": name}, "provisioner": "e2e/none", "allowVolumeExpansion": expandable,
            }))
            .unwrap();
            Api::all(ground.client.clone()).create(&PostParams::default(), &made).await.unwrap();
            let element = if expandable { "grows" } else { "cannot" };
            let volume: PersistentVolume = serde_json::from_value(json!({
                "metadata": {"name": format!("{name}-volume")},
                "spec": {
                    "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name,
                    // Nobody is there who could grow it.
                    "csi": {"driver": "e2e.example.org", "volumeHandle": name},
                    "claimRef": {"namespace": ground.namespace, "name": format!("{element}-data")},
                },
            }))
            .unwrap();
            Api::all(ground.client.clone()).create(&PostParams::default(), &volume).await.unwrap();
            let mut spec = small();
            spec["backend"]["local"]["storageClassName"] = json!(name);
            ground.apply(element, &spec).await;
        }
        let _operator = ground.operator().start_ready().unwrap();
        for element in ["grows", "cannot"] {
            until("the claim is bound and its capacity told", async || {
                ground.element(element).await["status"]["claim"]["capacity"] == "1Gi"
            })
            .await;
        }
        let asked = async |element: &str| {
            let claim = ground.get("PersistentVolumeClaim", &format!("{element}-data")).await.unwrap();
            claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap().to_owned()
        };
        let size = |size: &str| json!({"spec": {"backend": {"local": {"size": size}}}});
        ground.patch("grows", &size("3Gi")).await;
        until("the claim asks for more", async || asked("grows").await == "3Gi").await;
        ground.patch("grows", &size("2Gi")).await;
        until("it asks for less again, above what there is", async || asked("grows").await == "2Gi").await;

        ground.patch("cannot", &size("3Gi")).await;
        until("the refusal is told", async || ground.condition("cannot", "Stalled").await.1 == "ApplyRefused").await;
        let (_, _, message) = ground.condition("cannot", "Stalled").await;
        assert!(message.contains("PersistentVolumeClaim cannot-data"), "{message}");
        assert!(ground.get("StatefulSet", "cannot").await.is_some());
        ground.patch("cannot", &size("1Gi")).await;
        until("it is taken back", async || ground.condition("cannot", "Stalled").await.0 == "False").await;

        // Not to exactly what there is: Kubernetes refuses that, and it is told what to do.
        ground.patch("grows", &size("1Gi")).await;
        until("it is told", async || ground.condition("grows", "Stalled").await.1 == "ApplyRefused").await;
        let (_, _, message) = ground.condition("grows", "Stalled").await;
        assert!(message.contains("above what the volume has"), "{message}");
        ground.patch("grows", &size("2Gi")).await;
        until("it is well again", async || ground.condition("grows", "Stalled").await.0 == "False").await;
    });
}
