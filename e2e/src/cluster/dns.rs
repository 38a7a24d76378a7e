//! Names inside of the cluster: CoreDNS at 10.96.0.10.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::image::{self, Image};
use crate::control_plane::program;

/// Answers for the cluster's own names, and for nothing else: there is no network beyond.
const COREFILE: &str = "cluster.local:53 in-addr.arpa:53 {\n  errors\n  ready\n  kubernetes cluster.local in-addr.arpa {\n    \
                        pods insecure\n    ttl 1\n  }\n}\n.:53 {\n  errors\n  template ANY ANY {\n    rcode NXDOMAIN\n  }\n}\n";

/// The image, as an archive.
pub(super) fn image(work: &Path) -> Result<PathBuf> {
    Image::new(work, "coredns-image")?.program(&program("coredns")?)?.named("coredns").write()
}

/// The objects that run it.
pub(super) fn objects() -> Value {
    let labels = json!({"k8s-app": "kube-dns"});
    let metadata = json!({"name": "coredns", "namespace": "kube-system"});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "e2e:coredns"}, "rules": [
            {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "e2e:coredns"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "e2e:coredns"},
         "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": COREFILE}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"}, "spec": {
            "clusterIP": "10.96.0.10", "selector": labels,
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}],
        }},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {
            "replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "serviceAccountName": "coredns", "dnsPolicy": "Default",
                // Port 53 is not for everyone.
                "securityContext": {"runAsUser": 0},
                "containers": [{
                    "name": "coredns", "image": image::reference("coredns"), "imagePullPolicy": "Never",
                    "args": ["-conf", "/etc/coredns/Corefile"],
                    "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
                    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
                }],
                "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
            }},
        }},
    ]})
}
