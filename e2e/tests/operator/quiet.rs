//! Applied, it is made; made, nothing more is written.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::ground::{Ground, plane, runtime, small, until};

/// How long it has to be quiet here; the five minutes of a thousand elements are a test of their own.
const QUIET: Duration = Duration::from_secs(15);

#[test]
fn everything_is_made_once_and_then_nothing_is_written_or_listed() {
    let plane = plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        until("the pod is made", async || !ground.pods("a").await.is_empty()).await;
        let expected = [
            "Lease a",
            "NetworkPolicy a",
            "PersistentVolumeClaim a-data",
            "PersistentVolumeClaim a-db",
            "Pod a-0",
            "Role a",
            "RoleBinding a",
            "Secret a-issuer",
            "Secret a-jwks",
            "Secret a-operator",
            "Secret a-operator-jwks",
            "Secret a-peer-tls",
            "Service a",
            "Service a-headless",
            "ServiceAccount a",
            "StatefulSet a",
        ];
        let made = ground.versions("a").await;
        for object in expected {
            assert!(made.contains_key(object), "{object} is missing among {made:?}");
        }
        assert_eq!(made.len(), expected.len() + 1, "and a ConfigMap, nothing else: {made:?}");
        assert!(ground.events("a").await.iter().any(|event| event.starts_with("Created")));
        let (ready, reason, _) = ground.condition("a", "Ready").await;
        assert_eq!(ready, "False", "no pod runs: {reason}");

        // Until what the cluster itself says about new objects has settled too.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (made, mark) = (ground.versions("a").await, plane.audit().unwrap().mark().unwrap());
        let begun = std::time::Instant::now();
        let mut renewals = 0;
        while begun.elapsed() < QUIET {
            renewals += 1;
            let renewed = json!({"spec": {"renewTime": format!("2026-01-01T00:00:{:02}.000000Z", renewals % 60)}});
            ground.api("Lease").patch("a", &PatchParams::default(), &Patch::Merge(&renewed)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let asked = ground.asked(mark, |request| request.verb != "watch");
        assert!(asked.is_empty(), "nothing but watches in {renewals} renewals: {asked:?}");
        let mut after = ground.versions("a").await;
        after.insert("Lease a".to_owned(), made["Lease a"].clone());
        assert_eq!(after, made, "server-side apply was not even tried");

        // A new process applies nothing that is as it should be.
        drop(operator);
        let mark = plane.audit().unwrap().mark().unwrap();
        let _operator = ground.operator().start_ready().unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let written = ground.asked(mark, |request| !["get", "list", "watch"].contains(&request.verb.as_str()));
        assert!(written.is_empty(), "{written:?}");
        let secrets = ground.asked(0, |request| {
            request.resource == "secrets" && request.verb == "list" && !request.uri.contains("labelSelector")
        });
        assert!(secrets.is_empty(), "Secrets are listed by our label only: {secrets:?}");
    });
}
