//! How nodes are reached: by clients through one name, by each other and by the operator through a name each.

use serde_json::{Value, json};

use super::metadata::{owned, selector};
use super::{HTTP_PORT, How, Input, METRICS_PORT, PEER_PORT, Wish};
use crate::cache::Kind;
use crate::names::Names;

/// Label that tells the two Services apart, for ServiceMonitors.
pub const SERVICE_LABEL: &str = "storage.artstore.dev/service";

/// The Service that clients use.
pub fn public(input: &Input<'_>) -> Wish {
    let element = input.name();
    let name = Names(&element).main();
    let mut metadata = owned(input, &name);
    metadata["labels"][SERVICE_LABEL] = Value::from("public");
    let settings = input.element.spec.service.clone().unwrap_or_default();
    if !settings.annotations.is_empty() {
        metadata["annotations"] = json!(settings.annotations);
    }
    let (port_name, port) = if input.element.spec.tls.is_some() { ("https", 443) } else { ("http", 80) };
    let value = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": settings.type_.as_str(),
            "selector": selector(&element),
            "ports": [{"name": port_name, "port": port, "targetPort": "http", "protocol": "TCP"}],
        },
    });
    Wish { kind: Kind::Service, name, how: How::Apply, keeps: false, value }
}

/// The headless Service: a name for each pod, ready or not, since a node that is not ready may need its peers to become so.
pub fn headless(input: &Input<'_>) -> Wish {
    let element = input.name();
    let name = Names(&element).headless();
    let mut metadata = owned(input, &name);
    metadata["labels"][SERVICE_LABEL] = Value::from("headless");
    let port = |name: &str, port: u16| json!({"name": name, "port": port, "targetPort": name, "protocol": "TCP"});
    let value = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": selector(&element),
            "ports": [port("http", HTTP_PORT), port("peer", PEER_PORT), port("metrics", METRICS_PORT)],
        },
    });
    Wish { kind: Kind::Service, name, how: How::Apply, keeps: false, value }
}
