//! What keeps an element from being made is told so that a person can act, and stops nobody else.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::ground::{Ground, plane, replicated, runtime, small, until};

async fn make(ground: &Ground, kind: &str, object: &Value) {
    let object = serde_json::from_value(object.clone()).unwrap();
    ground.api(kind).create(&PostParams::default(), &object).await.unwrap();
}

#[test]
fn a_missing_secret_is_named_and_stops_nobody_else() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        ground.apply("lacking", &replicated()).await;
        ground.apply("sound", &small()).await;
        ground.settled("sound").await;
        ground.settled("lacking").await;
        let (status, reason, message) = ground.condition("lacking", "Stalled").await;
        assert_eq!((status.as_str(), reason.as_str()), ("True", "SecretMissing"));
        assert!(message.contains("\"db\"") && message.contains("database.postgres.secretRef"), "{message}");
        assert_eq!(ground.condition("sound", "Stalled").await.0, "False");
        assert!(ground.events("lacking").await.iter().any(|event| event.starts_with("SecretMissing")));
        make(&ground, "Secret", &json!({"metadata": {"name": "db"}, "stringData": {"uri": "postgresql://x"}})).await;
        until("it is seen", async || ground.condition("lacking", "Stalled").await.0 == "False").await;
        // Users' Secrets are asked for as metadata only: the right to read them is not used.
        let asked = ground.asked(0, |request| request.resource == "secrets" && request.name == "db");
        assert!(!asked.is_empty() && asked.iter().all(|request| request.starts_with("get")), "{asked:?}");
    });
}

#[test]
fn objects_of_others_are_never_taken_over() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let service = json!({"metadata": {"name": "a"}, "spec": {"ports": [{"port": 1}]}});
        make(&ground, "Service", &service).await;
        make(&ground, "Secret", &json!({"metadata": {"name": "b-issuer"}, "stringData": {"private.pem": "mine"}}))
            .await;
        let _operator = ground.operator().start_ready().unwrap();
        for name in ["a", "b"] {
            ground.apply(name, &small()).await;
            ground.settled(name).await;
            let (status, reason, message) = ground.condition(name, "Stalled").await;
            assert_eq!((status.as_str(), reason.as_str()), ("True", "NameTaken"), "{message}");
        }
        assert_eq!(ground.get("Service", "a").await.unwrap()["spec"]["ports"][0]["port"], 1);
        let secret = ground.get("Secret", "b-issuer").await.unwrap();
        assert!(secret["data"]["private.pem"] == "bWluZQ==" && secret["metadata"].get("labels").is_none());
        ground.delete("Service", "a").await;
        until("the name is free and taken", async || ground.condition("a", "Stalled").await.0 == "False").await;
        assert_eq!(ground.get("Service", "a").await.unwrap()["spec"]["ports"][0]["port"], 80);
    });
}

#[test]
fn a_child_of_an_element_that_is_no_more_is_waited_out() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        // As if an element of this name had just been deleted, and something held one of its objects.
        let old = json!({
            "metadata": {
                "name": "a", "labels": {"storage.artstore.dev/element": "a"}, "finalizers": ["e2e/held"],
                "ownerReferences": [{"apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement",
                                     "name": "a", "uid": "00000000-0000-0000-0000-000000000001", "controller": true}],
            },
            "spec": {"ports": [{"port": 1}]},
        });
        make(&ground, "Service", &old).await;
        let _operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        let (status, reason, message) = ground.condition("a", "Reconciling").await;
        assert_eq!((status.as_str(), reason.as_str()), ("True", "WaitsForDeletion"), "{message}");
        assert!(ground.get("StatefulSet", "a").await.is_some(), "the rest is made");
        let _ = ground.api("Service").delete("a", &DeleteParams::default()).await;
        assert_eq!(ground.get("Service", "a").await.unwrap()["spec"]["ports"][0]["port"], 1, "never adopted");
        let free = json!({"metadata": {"finalizers": null}});
        ground.api("Service").patch("a", &PatchParams::default(), &Patch::Merge(&free)).await.unwrap();
        until("it is made", async || {
            let service = ground.get("Service", "a").await;
            service.is_some_and(|service| service["spec"]["ports"][0]["port"] == 80)
        })
        .await;
    });
}

#[test]
fn an_unusable_key_is_told_and_never_replaced_by_itself() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let _operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        let jwks = ground.get("Secret", "a-jwks").await.unwrap()["data"].clone();
        let broken = json!({"data": {"private.pem": "bm9uc2Vuc2U="}});
        ground.api("Secret").patch("a-issuer", &PatchParams::default(), &Patch::Merge(&broken)).await.unwrap();
        until("it is told", async || ground.condition("a", "KeysValid").await.1 == "KeyUnusable").await;
        let kept = ground.get("Secret", "a-issuer").await.unwrap()["data"].clone();
        assert_eq!(kept, broken["data"], "what was put there was replaced");
        assert_eq!(ground.get("Secret", "a-jwks").await.unwrap()["data"], jwks, "tokens are still checked with it");
        ground.delete("Secret", "a-issuer").await;
        until("a new pair is made", async || ground.condition("a", "KeysValid").await.0 == "True").await;
        assert_ne!(ground.get("Secret", "a-jwks").await.unwrap()["data"], jwks);
    });
}
