//! What an element needs in the cluster: pure functions from what was read to objects, one file a kind.
//!
//! The same input gives the same bytes, so that what did not change is not written.

mod claims;
mod config_map;
mod disruption;
mod hash;
mod lease;
mod metadata;
mod network_policy;
mod node_config;
mod pod;
mod rbac;
mod secrets;
mod service;
mod service_monitor;
mod shape;
mod stateful_set;
mod volumes;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub mod samples;
#[cfg(test)]
mod snapshots;

use kube::ResourceExt as _;
use serde_json::Value;
use storage_element_crds::{Mode, StorageElement};

use crate::cache::Kind;
use crate::keys::{KeyPair, PeerCertificate};
use crate::names::Names;

pub use hash::hash_of;
pub use secrets::content_hash;
pub use shape::Shape;

/// Port of the API.
pub const HTTP_PORT: u16 = 8080;
/// Port for the other nodes and the operator.
pub const PEER_PORT: u16 = 8443;
/// Port of metrics and docs.
pub const METRICS_PORT: u16 = 9090;

/// The name of the node's container.
pub const fn node_container() -> &'static str {
    pod::CONTAINER
}

/// Everything that building depends on.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// The element.
    pub element: &'a StorageElement,
    /// Its keys.
    pub keys: &'a Keys,
    /// The image of the nodes: the one asked for, else the one the operator knew when the element was made.
    pub image: String,
    /// The operator's image that [`Input::image`] falls back to.
    pub operator_image: String,
    /// The annotation that last asked for the operator's image.
    pub image_request: Option<String>,
    /// The mode the element was made with.
    pub first_mode: Mode,
    /// The mode in force, which decides how the volume is mounted in new pods.
    pub mode: Mode,
    /// How many nodes shall run now.
    pub replicas: i32,
    /// The operator's own namespace.
    pub operator_namespace: &'a str,
    /// The namespace that may read metrics; `None`: any.
    pub monitoring_namespace: Option<&'a str>,
    /// The cluster knows ServiceMonitors.
    pub knows_service_monitors: bool,
}

/// The keys of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The issuers' pair; `None` where the keys come from outside.
    pub issuer: Option<KeyPair>,
    /// The operator's own pair.
    pub operator: KeyPair,
    /// The certificate of the peer port.
    pub peer: PeerCertificate,
}

impl Input<'_> {
    /// The element's name.
    pub fn name(&self) -> String {
        self.element.name_any()
    }

    /// Its namespace.
    pub fn namespace(&self) -> String {
        self.element.namespace().unwrap_or_default()
    }

    /// What pods should look like.
    pub fn shape(&self) -> Shape {
        Shape::of(&self.name(), &self.element.spec, &self.image)
    }
}

/// How an object comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Applied whenever it is not as it should be.
    Apply,
    /// Made with content that must not replace another, then applied like the others.
    CreateThenApply,
    /// Made once; from then on it is somebody else's.
    CreateOnly,
}

/// An object that shall be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// How it comes to be.
    pub how: How,
    /// It outlives the element and has no owner.
    pub keeps: bool,
    /// The object.
    pub value: Value,
}

/// Every object of the element, in the order they are applied: what pods need comes before the pods.
pub fn build(input: &Input<'_>) -> Vec<Wish> {
    let name = input.name();
    let names = Names(&name);
    let config = config_map::build(input);
    let config_name = config.name.clone();
    let mut wishes = Vec::new();
    wishes.extend(rbac::build(input));
    wishes.push(lease::build(input));
    wishes.extend(secrets::build(input));
    wishes.extend(claims::build(input));
    wishes.push(config);
    wishes.push(service::headless(input));
    wishes.push(service::public(input));
    wishes.extend(network_policy::build(input));
    wishes.extend(disruption::build(input));
    wishes.push(stateful_set::build(input, names, &config_name));
    wishes.extend(service_monitor::build(input));
    wishes.into_iter().map(metadata::sealed).collect()
}
