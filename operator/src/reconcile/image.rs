//! Which image nodes run: what the element says; else what the operator knew when the element was made, so that an upgrade
//! of the operator moves no node by itself.

use kube::ResourceExt as _;
use storage_element_crds::StorageElement;

use super::view::SetView;
use crate::names::USE_OPERATOR_IMAGE;

/// The image, and what it follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What pods run.
    pub image: String,
    /// The operator's image that is taken where the element names none.
    pub operator_image: String,
    /// The annotation that last moved it.
    pub request: Option<String>,
}

/// Decides. A new value of the annotation asks once for the operator's current image.
pub fn decide(element: &StorageElement, set: Option<&SetView>, current: &str) -> Image {
    let request = element.annotations().get(USE_OPERATOR_IMAGE).cloned();
    let known = set.and_then(|set| set.operator_image.clone());
    let asked_before = set.and_then(|set| set.image_request.clone());
    let operator_image = match known {
        Some(known) if request.is_none() || request == asked_before => known,
        _ => current.to_owned(),
    };
    let image = element.spec.pod_template.image.clone().unwrap_or_else(|| operator_image.clone());
    // A request that was taken away is remembered, so that the same word does not ask twice.
    Image { image, operator_image, request: request.or(asked_before) }
}
