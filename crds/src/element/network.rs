//! How clients, Prometheus and other pods reach the nodes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretRef;

/// The Service that clients use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSettings {
    /// ClusterIP (inside of the cluster only), NodePort or LoadBalancer.
    #[serde(default, rename = "type")]
    pub type_: ServiceType,

    /// Annotations of the Service, for example for a load balancer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::annotations")]
    pub annotations: BTreeMap<String, String>,
}

/// Kind of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Inside of the cluster only.
    #[default]
    ClusterIP,
    /// On a port of every node.
    NodePort,
    /// Behind a load balancer of the cloud.
    LoadBalancer,
}

impl ServiceType {
    /// The name Kubernetes knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// Serve the API over HTTPS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Secret with the keys `tls.crt` and `tls.key`, as cert-manager makes it. Nodes read it again when it changes.
    pub secret_ref: SecretRef,
}

/// How Prometheus finds the nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Make a ServiceMonitor, in a cluster that knows the kind.
    #[serde(default = "yes")]
    pub service_monitor: bool,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self { service_monitor: true }
    }
}

/// Who may connect to the nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicySettings {
    /// Make a NetworkPolicy: anyone reaches the API's port, only the operator and the other nodes the peer port, only the
    /// monitoring namespace the metrics. What nodes may call is not limited.
    #[serde(default = "yes")]
    pub enabled: bool,
}

impl Default for NetworkPolicySettings {
    fn default() -> Self {
        Self { enabled: true }
    }
}

const fn yes() -> bool {
    true
}
