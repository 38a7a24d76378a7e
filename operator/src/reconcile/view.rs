//! What belongs to an element, read from the cache: its StatefulSet, Lease and claims as the decisions see them.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use storage_element_crds::Mode;

use super::pods::{PodView, pods};
use super::problem::Problem;
use crate::cache::{Child, Kind};
use crate::names::{FIRST_MODE_ANNOTATION, IMAGE_ANNOTATION, USE_OPERATOR_IMAGE};

/// The StatefulSet.
#[derive(Clone, Debug, Default)]
pub struct SetView {
    /// Its UID.
    pub uid: String,
    /// It is on its way out.
    pub deleting: bool,
    /// The revision new pods are made from, if its controller has seen the newest template.
    pub revision: Option<String>,
    /// The mode the element was made with.
    pub first_mode: Option<Mode>,
    /// The operator's image when it was made.
    pub operator_image: Option<String>,
    /// The annotation that last asked for the operator's image.
    pub image_request: Option<String>,
}

/// The Lease.
#[derive(Clone, Debug, Default)]
pub struct LeaseView {
    /// Who holds it.
    pub holder: Option<String>,
    /// Since when.
    pub since: Option<Time>,
}

/// A claim.
#[derive(Clone, Debug)]
pub struct ClaimView {
    /// Its name.
    pub name: String,
    /// What the volume has.
    pub capacity: Option<String>,
    /// What is wrong with it.
    pub trouble: Option<Problem>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The StatefulSet.
    pub set: Option<SetView>,
    /// The Lease.
    pub lease: LeaseView,
    /// The pods.
    pub pods: Vec<PodView>,
    /// The claims.
    pub claims: Vec<ClaimView>,
    /// The pod that holds the Lease.
    pub master: Option<String>,
}

impl View {
    /// From the cache.
    pub fn of(children: &[Arc<Child>]) -> Self {
        let set = stateful_set(children);
        let pods = pods(children, set.as_ref().map(|set| set.uid.as_str()));
        let master = master_pod(children, &pods);
        let claims = children
            .iter()
            .filter(|child| child.kind == Kind::PersistentVolumeClaim)
            .filter_map(|child| Some(claim(&child.name, child.parsed()?)))
            .collect();
        Self { set, lease: lease(children), pods, claims, master }
    }
}

/// The pods of the element's StatefulSet.
pub fn pods_of(children: &[Arc<Child>]) -> Vec<PodView> {
    pods(children, children.iter().find(|child| child.kind == Kind::StatefulSet).map(|child| child.uid.as_str()))
}

/// The pod that holds the Lease: its UID is part of the holder's identity.
pub fn master_pod(children: &[Arc<Child>], pods: &[PodView]) -> Option<String> {
    let holder = lease(children).holder?;
    pods.iter().find(|pod| holder.split('_').any(|part| part == pod.uid)).map(|pod| pod.name.clone())
}

fn stateful_set(children: &[Arc<Child>]) -> Option<SetView> {
    let child = children.iter().find(|child| child.kind == Kind::StatefulSet)?;
    let set: StatefulSet = child.parsed()?;
    let status = set.status.unwrap_or_default();
    let current = status.observed_generation.is_some() && status.observed_generation == set.metadata.generation;
    let mut annotations = set.metadata.annotations.unwrap_or_default();
    Some(SetView {
        uid: child.uid.clone(),
        deleting: child.deleting,
        revision: status.update_revision.filter(|_| current),
        first_mode: annotations.get(FIRST_MODE_ANNOTATION).and_then(|mode| mode.parse().ok()),
        operator_image: annotations.remove(IMAGE_ANNOTATION),
        image_request: annotations.remove(USE_OPERATOR_IMAGE),
    })
}

fn lease(children: &[Arc<Child>]) -> LeaseView {
    let lease = children.iter().find(|child| child.kind == Kind::Lease).and_then(|child| child.parsed::<Lease>());
    let spec = lease.and_then(|lease| lease.spec).unwrap_or_default();
    LeaseView {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        since: spec.acquire_time.map(|time| Time(time.0)),
    }
}

fn claim(name: &str, claim: PersistentVolumeClaim) -> ClaimView {
    let status = claim.status.unwrap_or_default();
    let class = claim.spec.and_then(|spec| spec.storage_class_name);
    let class =
        class.map_or("the cluster's default class, if there is one".to_owned(), |class| format!("class {class:?}"));
    let failed = status.conditions.iter().flatten().find(|condition| {
        condition.status == "True" && matches!(condition.type_.as_str(), "ControllerResizeError" | "NodeResizeError")
    });
    let trouble = match status.phase.as_deref() {
        Some("Lost") => {
            Some(Problem::stalls("ClaimLost", format!("the volume of claim {name} is gone: restore it, or the claim")))
        }
        Some("Bound") => failed.map(|condition| {
            let why = condition.message.as_deref().unwrap_or("the provisioner does not say why");
            Problem::stalls("GrowthRefused", format!("claim {name} cannot grow: {why}. Set its size back, or help it"))
        }),
        _ => Some(Problem::waits(
            "ClaimPending",
            format!(
                "claim {name} has no volume yet: {class} has to provide one; `kubectl describe pvc {name}` says more"
            ),
        )),
    };
    let capacity = status.capacity.and_then(|mut capacity| capacity.remove("storage")).map(|quantity| quantity.0);
    ClaimView { name: name.to_owned(), capacity, trouble }
}
