//! Elements and keys for tests.

use serde_json::{Value, json};
use storage_element_crds::{Mode, StorageElement};
use time::OffsetDateTime;

use super::{Input, Keys};
use crate::keys::{KeyPair, PeerCertificate};

/// An element with this spec.
pub fn element(name: &str, spec: &Value) -> StorageElement {
    serde_json::from_value(json!({
        "apiVersion": "storage.artstore.dev/v1alpha1",
        "kind": "StorageElement",
        "metadata": {"name": name, "namespace": "files", "uid": "0f0e", "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}

/// Keys that are the same every time.
pub fn keys() -> Keys {
    let pair = |kid: &str| KeyPair {
        private_pem: format!("private half of {kid}"),
        kid: kid.to_owned(),
        jwks: format!("public half of {kid}"),
    };
    Keys {
        issuer: Some(pair("issuer")),
        operator: pair("operator"),
        peer: PeerCertificate {
            certificate: "certificate".to_owned(),
            key: "key".to_owned(),
            authorities: "authorities".to_owned(),
            not_after: OffsetDateTime::UNIX_EPOCH,
        },
    }
}

/// What building takes, for `element`.
pub fn input<'a>(element: &'a StorageElement, keys: &'a Keys) -> Input<'a> {
    Input {
        element,
        keys,
        image: element.spec.pod_template.image.clone().unwrap_or("registry.example.org/storage-node:1".to_owned()),
        operator_image: "registry.example.org/storage-node:1".to_owned(),
        image_request: None,
        first_mode: element.spec.mode,
        mode: element.spec.mode,
        replicas: element.spec.replicas,
        operator_namespace: "storage-operator",
        monitoring_namespace: Some("monitoring"),
        knows_service_monitors: true,
    }
}

/// A spec for each shape an element can have, by name.
pub fn specs() -> Vec<(&'static str, Value)> {
    let local = json!({"local": {"size": "500Gi"}});
    let shared = json!({"local": {"size": "2Ti", "storageClassName": "shared", "accessModes": ["ReadWriteMany"]}});
    let postgres = json!({"postgres": {"secretRef": {"name": "contracts-db"}, "caSecretRef": {"name": "db-ca"}}});
    let s3 = json!({"s3": {
        "bucket": "contracts", "prefix": "2026", "region": "eu-1", "endpoint": "https://s3.example.org",
        "forcePathStyle": true, "credentialsSecretRef": {"name": "s3"}, "caSecretRef": {"name": "s3-ca"},
        "quota": "10Ti",
    }});
    vec![
        ("defaults", json!({"mode": Mode::Edit, "backend": local})),
        ("replicas_on_a_shared_volume", json!({"mode": "rw", "replicas": 3, "backend": shared, "database": postgres})),
        (
            "s3_with_everything",
            json!({
                "mode": "rw", "replicas": 2, "backend": s3, "database": postgres,
                "adopt": {"elementID": "018f0000-0000-7000-8000-000000000000"},
                "retention": {"minimumDays": 1825},
                "auth": {"jwt": {"issuer": "https://id.example.org", "audience": "files",
                                 "jwksSecretRef": {"name": "outside"}}},
                "tls": {"secretRef": {"name": "public-tls"}},
                "service": {"type": "LoadBalancer", "annotations": {"lb": "internal"}},
                "config": {"limits": {"drain_timeout_seconds": 60}, "capacity": {"warning_percent": 20}},
                "podTemplate": {
                    "image": "registry.example.org/storage-node:2", "imagePullPolicy": "Always",
                    "imagePullSecrets": [{"name": "pull"}],
                    "resources": {"requests": {"cpu": "500m", "memory": "128Mi"}},
                    "nodeSelector": {"disk": "fast"},
                    "tolerations": [{"key": "files", "operator": "Exists"}],
                    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "rack",
                                                   "whenUnsatisfiable": "DoNotSchedule"}],
                    "labels": {"team": "archive", "app.kubernetes.io/name": "mine"},
                    "annotations": {"note": "x"},
                    "env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://otel:4318"}],
                    "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
                    "serviceAccountName": "with-a-cloud-role", "priorityClassName": "high",
                },
                "networkPolicy": {"enabled": false}, "monitoring": {"serviceMonitor": false},
            }),
        ),
        ("sealed", json!({"mode": "ar", "backend": local})),
        ("hibernated", json!({"mode": "rw", "replicas": 0, "backend": local})),
    ]
}
