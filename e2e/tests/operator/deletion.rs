//! The end of an element: Retain keeps what matters, Delete does not, and neither hangs.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::ground::{Ground, PATIENCE, plane, runtime, small, until, until_within};

async fn gone(ground: &Ground, name: &str) {
    until("the element is gone", async || ground.elements().get_opt(name).await.unwrap().is_none()).await;
}

#[test]
fn retain_keeps_claims_and_keys_and_the_same_element_comes_back_to_them() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        let element = ground.element("a").await;
        assert!(element["metadata"].get("finalizers").is_none(), "Retain needs none");
        let kept =
            ["PersistentVolumeClaim a-data", "PersistentVolumeClaim a-db", "Secret a-issuer", "Secret a-operator"];
        let before = ground.versions("a").await;
        ground.delete_element("a").await;
        gone(&ground, "a").await;
        until("what it owned is removed by the cluster", async || {
            ground.end_deleted_pods("a").await;
            ground.get("StatefulSet", "a").await.is_none() && ground.get("Service", "a").await.is_none()
        })
        .await;
        until("it is told what stays, and where", async || {
            ground.events("a").await.iter().any(|event| event.starts_with("Retained") && event.contains("a-data"))
        })
        .await;
        let uids = |versions: &std::collections::BTreeMap<String, String>| {
            kept.map(|name| versions.get(name).and_then(|version| version.split(' ').next().map(str::to_owned)))
        };
        let after = ground.versions("a").await;
        assert_eq!(uids(&after), uids(&before));
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        until("it is whole again", async || ground.get("StatefulSet", "a").await.is_some()).await;
        assert_eq!(uids(&ground.versions("a").await), uids(&before), "the same claims and keys");
        assert_eq!(ground.condition("a", "Stalled").await.0, "False");
    });
}

#[test]
fn delete_removes_claims_and_secrets_of_an_element_without_files() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        let mut spec = small();
        spec["deletionPolicy"] = json!("Delete");
        ground.apply("a", &spec).await;
        ground.settled("a").await;
        assert_eq!(ground.element("a").await["metadata"]["finalizers"], json!(["storage.artstore.dev/delete"]));
        ground.delete_element("a").await;
        until("the element is gone", async || {
            ground.end_deleted_pods("a").await;
            ground.elements().get_opt("a").await.unwrap().is_none()
        })
        .await;
        until("claims and Secrets are gone", async || {
            let left = ground.versions("a").await;
            !left.keys().any(|name| name.starts_with("Secret") || name.starts_with("PersistentVolumeClaim"))
        })
        .await;
    });
}

#[test]
fn an_element_that_ran_is_not_deleted_while_nobody_can_say_what_is_kept() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let mut spec = small();
        spec["deletionPolicy"] = json!("Delete");
        let operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &spec).await;
        ground.settled("a").await;
        drop(operator);
        // It ran, as its status says, and there is no node now.
        let status = json!({"status": {"elementID": "018f0000-0000-7000-8000-000000000000", "mode": "rw"}});
        let params = kube::api::PatchParams::default();
        ground.elements().patch_status("a", &params, &kube::api::Patch::Merge(&status)).await.unwrap();
        ground.delete_element("a").await;
        let _operator = ground.operator().start_ready().unwrap();
        until("the element is gone", async || {
            ground.end_deleted_pods("a").await;
            ground.elements().get_opt("a").await.unwrap().is_none()
        })
        .await;
        assert!(ground.get("PersistentVolumeClaim", "a-data").await.is_some(), "PROMISE BROKEN: files were deleted");
        until("it is told", async || ground.events("a").await.iter().any(|event| event.starts_with("Retained"))).await;
    });
}

#[test]
fn nothing_of_ours_holds_up_the_end_of_a_namespace() {
    plane();
    runtime().block_on(async {
        // The operator lives elsewhere: in a namespace that goes its own account would go first.
        let (home, ground) = (Ground::new().await, Ground::new().await);
        let operator = home.operator_for(&ground).start_ready().unwrap();
        let mut spec = small();
        ground.apply("kept", &spec).await;
        spec["deletionPolicy"] = json!("Delete");
        ground.apply("deleted", &spec).await;
        for name in ["kept", "deleted"] {
            ground.settled(name).await;
        }
        let namespaces: Api<Namespace> = Api::all(ground.client.clone());
        namespaces.delete(&ground.namespace, &DeleteParams::default()).await.unwrap();
        // The cluster itself looks again only after half the pods' grace.
        until_within(PATIENCE * 2, "nothing of ours is left", async || {
            for name in ["kept", "deleted"] {
                ground.end_deleted_pods(name).await;
            }
            ground.elements().list(&ListParams::default()).await.unwrap().items.is_empty()
        })
        .await;
        let log = operator.log();
        until_within(PATIENCE * 4, &format!("the namespace is gone; {log}"), async || {
            if namespaces.get_opt(&ground.namespace).await.unwrap().is_none() {
                return true;
            }
            for name in ["kept", "deleted"] {
                ground.end_deleted_pods(name).await;
            }
            false
        })
        .await;
    });
}
