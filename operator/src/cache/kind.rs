//! The kinds of objects that belong to an element.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{ApiResource, GroupVersionKind};

/// A kind of object that belongs to an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// What the node's pods run as.
    ServiceAccount,
    /// What they may do: their own Lease, nothing else.
    Role,
    /// Ties both together.
    RoleBinding,
    /// Who is master.
    Lease,
    /// Keys and certificates.
    Secret,
    /// The node's configuration.
    ConfigMap,
    /// The volumes.
    PersistentVolumeClaim,
    /// How nodes are reached.
    Service,
    /// Who may reach them.
    NetworkPolicy,
    /// How many may be evicted at a time.
    PodDisruptionBudget,
    /// The nodes.
    StatefulSet,
    /// One node.
    Pod,
    /// How Prometheus finds them; only where its operator is installed.
    ServiceMonitor,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::Lease,
        Self::Secret,
        Self::ConfigMap,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::StatefulSet,
        Self::Pod,
        Self::ServiceMonitor,
    ];

    /// Group, version and plural, as the API server knows them.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::Role => ApiResource::erase::<Role>(&()),
            Self::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
            Self::Lease => ApiResource::erase::<Lease>(&()),
            Self::Secret => ApiResource::erase::<Secret>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::PersistentVolumeClaim => ApiResource::erase::<PersistentVolumeClaim>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::Pod => ApiResource::erase::<Pod>(&()),
            Self::ServiceMonitor => ApiResource::from_gvk_with_plural(
                &GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor"),
                "servicemonitors",
            ),
        }
    }

    /// The name of the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::Lease => "Lease",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Service => "Service",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::StatefulSet => "StatefulSet",
            Self::Pod => "Pod",
            Self::ServiceMonitor => "ServiceMonitor",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
