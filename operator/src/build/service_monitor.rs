//! How Prometheus finds the nodes, in a cluster that has its operator.

use serde_json::{Value, json};

use super::metadata::owned;
use super::service::SERVICE_LABEL;
use super::{How, Input, Wish};
use crate::cache::Kind;
use crate::names::ELEMENT_LABEL;

/// The ServiceMonitor: every pod, ready or not, through the headless Service.
pub fn build(input: &Input<'_>) -> Option<Wish> {
    let spec = &input.element.spec;
    if !input.knows_service_monitors || !spec.monitoring.service_monitor {
        return None;
    }
    let name = input.name();
    let mut endpoint = json!({"port": "metrics", "path": "/metrics", "interval": "30s"});
    if spec.tls.is_some() {
        endpoint["scheme"] = Value::from("https");
        // The certificate names the Service, not the pod that is scraped.
        endpoint["tlsConfig"] = json!({"serverName": format!("{name}.{}.svc", input.namespace())});
    }
    let value = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": owned(input, &name),
        "spec": {
            "selector": {"matchLabels": {ELEMENT_LABEL: name, SERVICE_LABEL: "headless"}},
            "targetLabels": [ELEMENT_LABEL],
            "endpoints": [endpoint],
        },
    });
    Some(Wish { kind: Kind::ServiceMonitor, name, how: How::Apply, keeps: false, value })
}
