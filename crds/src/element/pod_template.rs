//! How the nodes' pods look.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, EnvVar, PodSecurityContext, ResourceRequirements, Toleration, TopologySpreadConstraint,
};
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::SecretRef;

/// How the nodes' pods look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// The nodes' image. A change rolls the pods, the master last. Unset: the image that the operator knew when the element
    /// was made; the annotation `storage.artstore.dev/use-operator-image` moves it to the operator's current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^\\S+$"))]
    pub image: Option<String>,

    /// When the image is pulled: Always, IfNotPresent or Never. Unset: IfNotPresent, or Always for the tag `latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// Secrets that the image is pulled with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub image_pull_secrets: Vec<SecretRef>,

    /// CPU and memory of a node. Memory stays flat, whatever the size of the files.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "with_amounts_as_text")]
    #[schemars(schema_with = "crate::schema::pod::resources")]
    pub resources: Option<ResourceRequirements>,

    /// Labels that a machine must have to run a pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::labels")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints that the pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::pod::tolerations")]
    pub tolerations: Vec<Toleration>,

    /// Where pods run in relation to machines and to other pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::affinity::affinity")]
    pub affinity: Option<Affinity>,

    /// How pods are spread. Unset: over machines and zones where that is possible. A constraint without `labelSelector` means
    /// the element's own pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::pod::topology_spread_constraints")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// Labels of the pods. The operator's own labels win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::labels")]
    pub labels: BTreeMap<String, String>,

    /// Annotations of the pods. The operator's own annotations win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::schema::annotations")]
    pub annotations: BTreeMap<String, String>,

    /// Variables of the node's process, such as `OTEL_EXPORTER_OTLP_ENDPOINT`. Names that begin with `SE_` or
    /// `STORAGE_ELEMENT_` are refused: they are the node's settings, which `config` holds. So are POD_NAME, POD_NAMESPACE and
    /// POD_UID, which the operator sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "with_amounts_as_text")]
    #[schemars(schema_with = "crate::schema::pod::env")]
    pub env: Vec<EnvVar>,

    /// User, groups and SELinux options that the volumes need. Never root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::pod::security_context")]
    pub security_context: Option<PodSecurityContext>,

    /// ServiceAccount of the pods, for example one that a cloud grants access to a bucket. Unset: one made by the operator.
    /// Either gets the rights to the element's Lease and to nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::object_name")]
    pub service_account_name: Option<String>,

    /// PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::object_name")]
    pub priority_class_name: Option<String>,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::of_the_field)]
pub enum ImagePullPolicy {
    /// At each start of a pod.
    Always,
    /// When the machine does not have it.
    IfNotPresent,
    /// Never: it was brought to the machine some other way.
    Never,
}

impl ImagePullPolicy {
    /// The name Kubernetes knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Reads what holds amounts of `cpu: 2` too: the API server keeps the number as it was written, while the types of pods only
/// know text, because there the API server has made it text before.
fn with_amounts_as_text<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let mut value = Value::deserialize(deserializer)?;
    amounts_as_text(&mut value);
    serde_json::from_value(value).map_err(Error::custom)
}

/// Neither resources nor variables have a number that is not an amount.
fn amounts_as_text(value: &mut Value) {
    match value {
        Value::Number(number) => *value = Value::String(number.to_string()),
        Value::Array(items) => items.iter_mut().for_each(amounts_as_text),
        Value::Object(fields) => fields.values_mut().for_each(amounts_as_text),
        _ => {}
    }
}
