//! What a kubelet would say of pods, said by the test.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::ground::Ground;

impl Ground {
    /// Names of the element's pods that are not on their way out.
    pub async fn pods(&self, element: &str) -> Vec<String> {
        let selected = ListParams::default().labels(&format!("storage.artstore.dev/element={element}"));
        let pods = self.api("Pod").list(&selected).await.unwrap();
        pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).map(|pod| pod.name_any()).collect()
    }

    /// Pods run and are ready.
    pub async fn make_ready(&self, pods: &[&str]) {
        for pod in pods {
            let ordinal: u8 = pod.rsplit('-').next().unwrap().parse().unwrap();
            self.make_ready_at(pod, &format!("127.0.9.{}", ordinal + 1)).await;
        }
    }

    /// A pod runs at `address` and is ready.
    pub async fn make_ready_at(&self, pod: &str, address: &str) {
        let now = Timestamp::now().to_string();
        let condition = |of: &str| json!({"type": of, "status": "True", "lastTransitionTime": now});
        self.pod_status(
            pod,
            &json!({
                "phase": "Running", "startTime": now, "podIP": address, "podIPs": [{"ip": address}],
                "conditions": [condition("PodScheduled"), condition("Ready"), condition("ContainersReady")],
            }),
        )
        .await;
    }

    /// A pod's status, as it is told by its machine.
    pub async fn pod_status(&self, pod: &str, status: &Value) {
        let patch = json!({"status": status});
        self.api("Pod").patch_status(pod, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// A pod takes the Lease, as its node does.
    pub async fn make_master(&self, element: &str, pod: &str) {
        let uid = self.get("Pod", pod).await.unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
        let patch = json!({"spec": {
            "holderIdentity": format!("{pod}_{uid}_process"), "leaseDurationSeconds": 15, "leaseTransitions": 1,
            "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.000000Z",
        }});
        self.api("Lease").patch(element, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// A pod that was deleted ends at once: nothing runs here that could end by itself.
    pub async fn end_deleted_pods(&self, element: &str) {
        let selected = ListParams::default().labels(&format!("storage.artstore.dev/element={element}"));
        for pod in self.api("Pod").list(&selected).await.unwrap() {
            if pod.metadata.deletion_timestamp.is_some() {
                let now = kube::api::DeleteParams::default().grace_period(0);
                let _ = self.api("Pod").delete(&pod.name_any(), &now).await;
            }
        }
    }
}
