//! The control plane that the Kubernetes tests stand on: real, with RBAC, and gone afterwards.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use storage_element_e2e::ControlPlane;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn an_account_without_rights_gets_none() {
    let plane = ControlPlane::shared();
    runtime().block_on(async {
        let admin = plane.admin().client().await.unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), "default");
        let name = format!("nobody-{}", uuid::Uuid::new_v4().simple());
        let account = serde_json::from_value(json!({"metadata": {"name": name}})).unwrap();
        accounts.create(&PostParams::default(), &account).await.unwrap();
        let nobody = plane.admin().account("default", &name).await.unwrap().client().await.unwrap();
        let refused = Api::<Lease>::namespaced(nobody, "default").list(&ListParams::default()).await.unwrap_err();
        assert!(refused.to_string().contains("forbidden"), "{refused}");
        assert!(Api::<Lease>::namespaced(admin, "default").list(&ListParams::default()).await.is_ok());
    });
}

#[test]
fn the_audit_log_tells_who_did_what() {
    let plane = storage_element_e2e::control_plane::Parts::default().audit().controllers().start().unwrap();
    runtime().block_on(async {
        let client = plane.admin().client().await.unwrap();
        let audit = plane.audit().unwrap();
        let mark = audit.mark().unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
        let map = serde_json::from_value(json!({"metadata": {"name": "seen"}})).unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
        let seen = audit.since(mark, |request| request.name == "seen").unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!((seen[0].verb.as_str(), seen[0].user.as_str(), seen[0].code), ("create", "e2e-admin", 201));
        // The controller manager works: every namespace gets its default account.
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = serde_json::from_value(json!({"metadata": {"name": "fresh"}})).unwrap();
        let made = namespaces.create(&PostParams::default(), &namespace).await.unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &made.name_any());
        let begun = std::time::Instant::now();
        while accounts.get_opt("default").await.unwrap().is_none() {
            assert!(begun.elapsed().as_secs() < 60, "no controller makes the default account");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
}
