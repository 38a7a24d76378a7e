//! Who may connect to the nodes.

use serde_json::json;

use super::metadata::{owned, selector};
use super::{HTTP_PORT, How, Input, METRICS_PORT, PEER_PORT, Wish};
use crate::cache::Kind;
use crate::names::MANAGER;

/// Incoming only: a policy for outgoing connections could not name the API server. Nothing where it is switched off.
pub fn build(input: &Input<'_>) -> Option<Wish> {
    if !input.element.spec.network_policy.enabled {
        return None;
    }
    let name = input.name();
    let own = json!({"matchLabels": selector(&name)});
    let namespace = |name: &str| json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
    let operator = json!({
        "namespaceSelector": namespace(input.operator_namespace),
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": MANAGER}},
    });
    let port = |port: u16| json!([{"port": port, "protocol": "TCP"}]);
    let mut metrics = json!({"ports": port(METRICS_PORT)});
    if let Some(monitoring) = input.monitoring_namespace {
        metrics["from"] = json!([{"namespaceSelector": namespace(monitoring)}]);
    }
    let value = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": owned(input, &name),
        "spec": {
            "podSelector": own,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": port(HTTP_PORT)},
                {"ports": port(PEER_PORT), "from": [{"podSelector": own}, operator]},
                metrics,
            ],
        },
    });
    Some(Wish { kind: Kind::NetworkPolicy, name, how: How::Apply, keeps: false, value })
}
