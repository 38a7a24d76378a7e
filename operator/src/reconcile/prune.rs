//! Objects of the element that are no longer wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Context;
use crate::build::Wish;
use crate::cache::{Child, Key, Kind};
use crate::cluster::Failure;
use crate::names::Names;

/// What is to go. `rolled`: no pod runs any more that may use it; `in_use`:
/// ConfigMaps that pods mount.
pub fn unwanted<'a>(
    key: &Key,
    uid: &str,
    children: &'a [Arc<Child>],
    wishes: &[Wish],
    rolled: bool,
    in_use: &BTreeSet<&String>,
) -> Vec<&'a Arc<Child>> {
    let wanted = |child: &Child| wishes.iter().any(|wish| wish.kind == child.kind && wish.name == child.name);
    children
        .iter()
        .filter(|child| !wanted(child) && !child.deleting && may_go(key, uid, child, rolled, in_use))
        .collect()
}

fn may_go(key: &Key, uid: &str, child: &Child, rolled: bool, in_use: &BTreeSet<&String>) -> bool {
    let owned = child.owner.as_deref() == Some(uid);
    match child.kind {
        Kind::PodDisruptionBudget | Kind::NetworkPolicy | Kind::ServiceMonitor => owned,
        // Running pods may need them.
        Kind::ServiceAccount => owned && rolled,
        Kind::ConfigMap => owned && !in_use.contains(&child.name),
        Kind::Secret => {
            let names = Names(&key.name);
            rolled && [names.issuer(), names.jwks()].contains(&child.name)
        }
        // Files, who is master, and what is always wanted.
        Kind::PersistentVolumeClaim
        | Kind::Lease
        | Kind::StatefulSet
        | Kind::Pod
        | Kind::Role
        | Kind::RoleBinding
        | Kind::Service => false,
    }
}

/// Deletes them. Returns what went, such as `ConfigMap a-config-0123456789`.
pub async fn prune(context: &Context, key: &Key, unwanted: &[&Arc<Child>]) -> Result<Vec<String>, Failure> {
    let mut gone = Vec::new();
    for child in unwanted {
        context.cluster.delete(child.kind, key, &child.name, &child.uid).await?;
        context.children.forget(key, child.kind, &child.name, &child.uid);
        gone.push(format!("{} {}", child.kind, child.name));
    }
    Ok(gone)
}
