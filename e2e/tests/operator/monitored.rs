//! Where the cluster knows ServiceMonitors, every element has one.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use storage_element_e2e::control_plane::Parts;

use crate::ground::{Ground, install, runtime, small, until};

/// As much of the kind as its definition needs to be served.
async fn known(ground: &Ground) {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    let definitions: Api<CustomResourceDefinition> = Api::all(ground.client.clone());
    let name = "servicemonitors.monitoring.coreos.com";
    definitions.patch(name, &PatchParams::apply("e2e").force(), &Patch::Apply(&definition)).await.unwrap();
    let monitors = ground.api("ServiceMonitor");
    until("the kind is served", async || monitors.list(&ListParams::default()).await.is_ok()).await;
}

#[test]
fn an_element_has_a_service_monitor_where_the_kind_exists() {
    // A control plane of its own: in the others nobody shall know the kind.
    let plane = Parts::default().controllers().start().unwrap();
    runtime().block_on(async {
        install(plane.admin()).await;
        let ground = Ground::on(&plane).await;
        known(&ground).await;
        let _operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        let monitor = ground.get("ServiceMonitor", "a").await.expect("a ServiceMonitor");
        let headless = ground.get("Service", "a-headless").await.unwrap();
        for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(headless["metadata"]["labels"][label], *value, "it finds the Service of the pods");
        }
        let port = &monitor["spec"]["endpoints"][0]["port"];
        let ports = headless["spec"]["ports"].as_array().unwrap();
        assert!(ports.iter().any(|named| named["name"] == *port), "{port} is a port of it: {ports:?}");
        ground.delete("ServiceMonitor", "a").await;
        until("it comes back", async || ground.get("ServiceMonitor", "a").await.is_some()).await;
        ground.patch("a", &json!({"spec": {"monitoring": {"serviceMonitor": false}}})).await;
        until("it goes when it is not wanted", async || ground.get("ServiceMonitor", "a").await.is_none()).await;
    });
}
