//! Which image nodes run: what the element says; else what the operator knew when the element was made, so that an upgrade
//! of the operator moves no node by itself.

use kube::ResourceExt as _;
use storage_element_crds::StorageElement;

use super::view::SetView;
use crate::names::USE_OPERATOR_IMAGE;

/// What runs, and what it follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What pods run.
    pub image: String,
    /// The operator's image that is taken where the element names none.
    pub fallback: String,
    /// The annotation that last moved it.
    pub request: Option<String>,
}

/// Decides. A new value of the annotation asks once for the operator's current image.
pub fn decide(element: &StorageElement, set: Option<&SetView>, current: &str) -> Choice {
    let request = element.annotations().get(USE_OPERATOR_IMAGE).cloned();
    let known = set.and_then(|set| set.operator_image.clone());
    let asked_before = set.and_then(|set| set.image_request.clone());
    let fallback = match known {
        Some(known) if request.is_none() || request == asked_before => known,
        _ => current.to_owned(),
    };
    let image = element.spec.pod_template.image.clone().unwrap_or_else(|| fallback.clone());
    // A request that was taken away is remembered, so that the same word does not ask twice.
    Choice { image, fallback, request: request.or(asked_before) }
}
