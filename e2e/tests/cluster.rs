//! The cluster that the tests with pods stand on: nodes are ready, pods run, names resolve, volumes are claimed, and
//! nothing is left afterwards.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::path::Path;

use serde_json::json;
use storage_element_e2e::Cluster;

/// Mounts, links, namespaces, cgroups, settings: what could be left.
fn traces() -> Vec<String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let listed = |path: &str| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().display().to_string()).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = read("/proc/self/mounts").lines().map(str::to_owned).collect();
    all.extend(listed("/sys/class/net"));
    all.extend(listed("/run/netns"));
    all.extend(listed("/sys/fs/cgroup/freezer"));
    all.extend(listed("/sys/fs/cgroup/memory"));
    all.extend(listed("/sys/fs/cgroup/cpuset"));
    for setting in ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"] {
        all.push(format!("{setting} {}", read(&format!("/proc/sys/{setting}"))));
    }
    // The namespaces' own mount appears with the first one and stays with `ip netns`.
    all.retain(|trace| !trace.contains("/run/netns ") && trace != "/run/netns");
    all.sort();
    all
}

#[test]
fn two_nodes_run_pods_and_leave_nothing() {
    // What one that was killed has left.
    storage_element_e2e::cluster::clear().unwrap();
    let before = traces();
    let cluster = Cluster::start(2, &[]).unwrap();
    let labels = json!({"app": "echo"});
    cluster
        .apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
             "metadata": {"name": "kept", "namespace": "default"},
             "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "shared",
                      "resources": {"requests": {"storage": "1Gi"}}}},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "names", "namespace": "default", "labels": labels},
             "spec": {"containers": [{
                 "name": "names", "image": storage_element_e2e::cluster::image::reference("coredns"),
                 "imagePullPolicy": "Never", "args": ["-dns.port", "5353"],
                 "volumeMounts": [{"name": "kept", "mountPath": "/kept"}],
             }], "volumes": [{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}]}},
        ]}))
        .unwrap();
    cluster.kubectl_ok(&["wait", "--for=condition=Ready", "pod/names", "--timeout=120s"]).unwrap();
    let logs = cluster.kubectl_ok(&["logs", "names"]).unwrap();
    assert!(logs.contains("CoreDNS"), "{logs}");
    let claim = cluster.kubectl_ok(&["get", "pvc", "kept", "-o", "jsonpath={.status.phase}"]).unwrap();
    assert_eq!(claim, "Bound");
    let second = Cluster::start(1, &[]).err().unwrap().to_string();
    assert!(second.contains("make cluster-down"), "{second}");
    drop(cluster);
    assert_eq!(traces(), before);
    assert!(!Path::new("/var/lib/storage-element-e2e/run").exists());
}
