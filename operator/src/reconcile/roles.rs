//! The label of each pod that says whether it is the master: for people, who like `kubectl get pods -L` to tell them.

use super::Context;
use super::pods::PodView;
use crate::cache::{Key, Kind};
use crate::cluster::{Cause, Failure};
use crate::names::ROLE_LABEL;

/// Sets the labels that are not as they should be.
pub async fn label(context: &Context, key: &Key, pods: &[PodView], master: Option<&str>) -> Result<(), Failure> {
    for pod in pods.iter().filter(|pod| !pod.deleting) {
        let role = if master == Some(pod.name.as_str()) { "master" } else { "standby" };
        // A pod that nobody has elected yet needs no label.
        if pod.role.as_deref() == Some(role) || (pod.role.is_none() && !pod.ready && role == "standby") {
            continue;
        }
        match context.cluster.label_pod(key, &pod.name, ROLE_LABEL, role).await {
            Ok(labelled) => {
                context.children.put(Kind::Pod, labelled);
            }
            Err(Failure { cause: Cause::NotFound, .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}
