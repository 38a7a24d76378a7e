//! Several namespaces, several operators, and elements that one of them cannot read.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use storage_element_e2e::control_plane::Parts;

use crate::ground::{Ground, install, plane, runtime, small, until};

#[test]
fn one_operator_serves_several_namespaces() {
    plane();
    runtime().block_on(async {
        let (one, other) = (Ground::new().await, Ground::new().await);
        let third = Ground::new().await;
        let _operator = one.operator_for(&other).start_ready().unwrap();
        for ground in [&one, &other, &third] {
            ground.apply("a", &small()).await;
        }
        one.settled("a").await;
        other.settled("a").await;
        assert!(one.get("StatefulSet", "a").await.is_some() && other.get("StatefulSet", "a").await.is_some());
        assert!(third.versions("a").await.is_empty(), "not asked to");
    });
}

#[test]
fn one_replica_acts_and_another_takes_over() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let setup = |pod: &str| ground.operator().with("LEADER_ELECTION", "true").with("POD_NAME", pod);
        let first = setup("operator-0").start_ready().unwrap();
        let leads = async |operator: &storage_element_e2e::Operator| {
            until("it leads", async || operator.page("/metrics").unwrap().1.contains("storage_operator_leader 1"))
                .await;
        };
        leads(&first).await;
        let second = setup("operator-1").start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        assert!(second.page("/metrics").unwrap().1.contains("storage_operator_leader 0"), "one at a time");
        drop(first);
        leads(&second).await;
        ground.apply("b", &small()).await;
        ground.settled("b").await;
    });
}

#[test]
fn an_element_of_a_newer_version_stops_nobody_else() {
    // One of its own: a changed definition ends the watches of all.
    let plane = Parts::default().start().unwrap();
    runtime().block_on(async {
        install(plane.admin()).await;
        let ground = Ground::on(&plane).await;
        // A newer version knows one mode more.
        let definitions: Api<CustomResourceDefinition> = Api::all(ground.client.clone());
        let name = "storageelements.storage.artstore.dev";
        let definition = serde_json::to_value(definitions.get(name).await.unwrap()).unwrap();
        let place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/mode/enum";
        assert!(definition.pointer(place).is_some_and(Value::is_array), "the schema has another form now");
        let more = json!([{"op": "add", "path": format!("{place}/-"), "value": "newer"}]);
        let more: Patch<()> = Patch::Json(serde_json::from_value(more).unwrap());
        definitions.patch(name, &PatchParams::default(), &more).await.unwrap();

        let _operator = ground.operator().start_ready().unwrap();
        let mut spec = small();
        spec["mode"] = json!("newer");
        let element = json!({
            "apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement",
            "metadata": {"name": "newer"}, "spec": spec,
        });
        let params = PatchParams::apply("person").force();
        until("the API server takes it", async || {
            ground.elements().patch("newer", &params, &Patch::Apply(&element)).await.is_ok()
        })
        .await;
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        until("it is told", async || {
            ground.events("newer").await.iter().any(|event| event.starts_with("Unreadable") && event.contains("newer"))
        })
        .await;
        assert!(ground.versions("newer").await.is_empty());
        // Corrected, it is like any other.
        ground.apply("newer", &small()).await;
        ground.settled("newer").await;
    });
}
