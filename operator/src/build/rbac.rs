//! What a node may do in the cluster: see and take its own Lease, nothing else.

use serde_json::json;

use super::metadata::owned;
use super::{How, Input, Wish};
use crate::cache::Kind;
use crate::names::Names;

/// ServiceAccount (unless the element names one), Role and RoleBinding.
pub fn build(input: &Input<'_>) -> Vec<Wish> {
    let name = input.name();
    let name = Names(&name).main();
    let own_account = input.element.spec.pod_template.service_account_name.is_none();
    let account = input.element.spec.pod_template.service_account_name.clone().unwrap_or_else(|| name.clone());
    let wish = |kind, value| Wish { kind, name: name.clone(), how: How::Apply, keeps: false, value };
    let service_account = wish(
        Kind::ServiceAccount,
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": owned(input, &name),
            "automountServiceAccountToken": false,
        }),
    );
    let role = wish(
        Kind::Role,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": owned(input, &name),
            "rules": [{
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": [name],
                "verbs": ["get", "update", "watch"],
            }],
        }),
    );
    let binding = wish(
        Kind::RoleBinding,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": owned(input, &name),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": input.namespace()}],
        }),
    );
    if own_account { vec![service_account, role, binding] } else { vec![role, binding] }
}
