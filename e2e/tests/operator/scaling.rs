//! More nodes, fewer nodes: by several at a time, and as `kubectl scale` asks for it.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::ground::{Ground, plane, replicated, runtime, until};

#[test]
fn nodes_come_and_go_several_at_a_time() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &replicated()).await;
        ground.settled("a").await;
        let scale = async |replicas: u32| {
            let change = json!({"spec": {"replicas": replicas}});
            let elements = ground.elements();
            elements.patch_scale("a", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
        };
        for (replicas, names) in
            [(3, "a-0 a-1 a-2"), (6, "a-0 a-1 a-2 a-3 a-4 a-5"), (2, "a-0 a-1"), (1, "a-0"), (3, "a-0 a-1 a-2")]
        {
            scale(replicas).await;
            let what = format!("the pods are {names}");
            until(&what, async || {
                ground.end_deleted_pods("a").await;
                let mut pods: Vec<String> = ground.pods("a").await;
                pods.sort();
                pods.join(" ") == names
            })
            .await;
            until("the claim stays", async || ground.get("PersistentVolumeClaim", "a-data").await.is_some()).await;
            until("a budget guards more than one", async || {
                ground.get("PodDisruptionBudget", "a").await.is_some() == (replicas > 1)
            })
            .await;
            until("it is told", async || ground.element("a").await["status"]["replicas"] == replicas).await;
        }
    });
}
