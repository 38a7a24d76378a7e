//! `kubectl apply -k charts/kustomize`: what it installs is enough for the operator, and no more than that.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use storage_element_e2e::cluster::operator::kustomization;
use storage_element_e2e::control_plane::{Parts, Request, program};
use storage_element_e2e::setup::free_port;
use storage_element_e2e::{ControlPlane, Daemon, binaries};

const ACCOUNT: &str = "system:serviceaccount:storage-element-system:storage-operator";

/// All that the operator's account may do, beside what everyone may: resource, names, verbs.
const ALLOWED: [&str; 19] = [
    "configmaps get list watch create patch delete",
    "persistentvolumeclaims get list watch create patch delete",
    "secrets get list watch create patch delete",
    "serviceaccounts get list watch create patch delete",
    "services get list watch create patch delete",
    "pods get list watch patch delete",
    "events.events.k8s.io create patch",
    "leases.coordination.k8s.io get list watch create update",
    "networkpolicies.networking.k8s.io get list watch create patch delete",
    "poddisruptionbudgets.policy get list watch create patch delete",
    "rolebindings.rbac.authorization.k8s.io get list watch create patch delete",
    "roles.rbac.authorization.k8s.io get list watch create patch delete",
    "servicemonitors.monitoring.coreos.com get list watch create patch delete",
    "statefulsets.apps get list watch create patch delete",
    "storageelements.storage.artstore.dev get list watch patch",
    "storageelements.storage.artstore.dev/status patch",
    "storageelements.storage.artstore.dev/finalizers update",
    "selfsubjectaccessreviews.authorization.k8s.io create",
    "selfsubjectrulesreviews.authorization.k8s.io create",
];

fn kubectl(plane: &ControlPlane, arguments: &[&str]) -> String {
    let mut command = Command::new(program("kubectl").unwrap());
    command.arg("--kubeconfig").arg(plane.admin().kubeconfig()).args(arguments).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "waited a minute for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_kustomization_installs_an_operator_with_the_least_rights() {
    let plane = Parts::default().controllers().audit().start().unwrap();
    let place = kustomization();
    let apply = || kubectl(&plane, &["apply", "--server-side", "-k", &place.to_string_lossy()]);
    eventually("the first apply: a namespace comes before what is in it", || {
        let mut command = Command::new(program("kubectl").unwrap());
        command.arg("--kubeconfig").arg(plane.admin().kubeconfig()).args(["apply", "--server-side", "-k"]).arg(&place);
        command.output().unwrap().status.success()
    });
    let versions = || {
        let path = "jsonpath={range .items[*]}{.metadata.name}={.metadata.resourceVersion}{\"\\n\"}{end}";
        let label = "app.kubernetes.io/name=storage-operator";
        let made = "clusterroles,clusterrolebindings,serviceaccounts";
        kubectl(&plane, &["get", "crd", "-o", path]) + &kubectl(&plane, &["get", made, "-A", "-l", label, "-o", path])
    };
    kubectl(
        &plane,
        &["wait", "--for=condition=Established", "crd/storageelements.storage.artstore.dev", "--timeout=60s"],
    );
    let before = versions();
    apply();
    assert_eq!(versions(), before, "applied again nothing changes");

    rights_are_those_listed(&plane);
    let audit = plane.audit().unwrap();
    let mark = audit.mark().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let _operator = operator(&plane, folder.path());
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/samples/embedded.yaml");
    kubectl(&plane, &["apply", "-f", sample]);
    eventually("its StatefulSet", || {
        kubectl(&plane, &["get", "statefulset", "notes", "--ignore-not-found", "-o", "name"]).contains("notes")
    });
    // A Secret of the user's, which the operator has to look at but not into.
    kubectl(&plane, &["create", "secret", "generic", "contracts-db", "--from-literal=uri=postgresql://somebody"]);
    kubectl(&plane, &["create", "secret", "generic", "postgres-ca", "--from-literal=ca.crt=x"]);
    kubectl(&plane, &["apply", "-f", concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/samples/postgres-shared.yaml")]);
    eventually("the second StatefulSet", || {
        kubectl(&plane, &["get", "statefulset", "contracts-2026", "--ignore-not-found", "-o", "name"])
            .contains("contracts")
    });

    let own = audit.since(mark, |request| request.user == ACCOUNT).unwrap();
    let refused: Vec<&Request> = own.iter().filter(|request| request.code == 403).collect();
    assert!(refused.is_empty(), "a right is missing: {refused:?}");
    let secrets: Vec<&Request> = own.iter().filter(|request| request.resource == "secrets").collect();
    let looked = secrets.iter().any(|request| request.name == "contracts-db" || request.uri.contains("fieldSelector"));
    assert!(
        looked || secrets.iter().any(|request| request.verb == "list"),
        "the operator looked at no Secret of the user's"
    );
    for request in secrets.iter().filter(|request| matches!(request.verb.as_str(), "get" | "list" | "watch")) {
        let labelled = request.uri.contains("labelSelector=");
        let metadata = request.answered.starts_with("PartialObjectMetadata");
        let own = request.labels.to_string().contains("storage-operator") || request.code == 404;
        // A watch has no answer to log; it goes on from a list of the same kind.
        assert!(
            labelled || metadata || own || request.verb == "watch",
            "a Secret's content was asked for: {request:?}"
        );
    }
}

fn rights_are_those_listed(plane: &ControlPlane) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let account = runtime.block_on(plane.admin().account("storage-element-system", "storage-operator")).unwrap();
    let mut command = Command::new(program("kubectl").unwrap());
    command.arg("--kubeconfig").arg(account.kubeconfig()).args([
        "auth",
        "can-i",
        "--list",
        "--no-headers",
        "-n",
        "default",
    ]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| {
            let verbs = line.rsplit_once('[').unwrap().1.trim_end_matches(']');
            format!("{} {verbs}", line.split_whitespace().next().unwrap())
        })
        // Everyone may ask who they are.
        .filter(|line| !line.starts_with("selfsubjectreviews."))
        .collect();
    let allowed: BTreeSet<String> = ALLOWED.iter().map(|line| (*line).to_owned()).collect();
    assert_eq!(found, allowed, "{text}");
}

fn operator(plane: &ControlPlane, folder: &std::path::Path) -> Daemon {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let account = runtime.block_on(plane.admin().account("storage-element-system", "storage-operator")).unwrap();
    let mut command = Command::new(binaries::find("storage-operator").unwrap());
    command.arg("run").env("KUBECONFIG", account.kubeconfig()).env("POD_NAMESPACE", "storage-element-system");
    command.env("LISTEN", format!("127.0.0.1:{}", free_port().unwrap())).env("LEADER_ELECTION", "true");
    Daemon::start(&command, &folder.join("operator.log")).unwrap()
}
