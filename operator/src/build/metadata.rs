//! What every object has in its metadata.

use serde_json::{Value, json};

use super::{Input, Wish, hash_of};
use crate::names::{APPLIED_ANNOTATION, ELEMENT_LABEL, MANAGER};

/// The application's name in labels.
pub const APPLICATION: &str = "storage-node";

/// Labels of everything.
pub fn labels(name: &str) -> Value {
    json!({
        "app.kubernetes.io/name": APPLICATION,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": MANAGER,
        ELEMENT_LABEL: name,
    })
}

/// Labels that pods are selected by. They cannot change: StatefulSets refuse that.
pub fn selector(name: &str) -> Value {
    json!({"app.kubernetes.io/name": APPLICATION, ELEMENT_LABEL: name})
}

/// Metadata of an object that the element owns.
pub fn owned(input: &Input<'_>, name: &str) -> Value {
    let mut metadata = kept(input, name);
    metadata["ownerReferences"] = json!([{
        "apiVersion": "storage.artstore.dev/v1alpha1",
        "kind": "StorageElement",
        "name": input.name(),
        "uid": input.element.metadata.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    }]);
    metadata
}

/// Metadata of an object that outlives the element. The element's own labels and annotations are not copied: a GitOps
/// tool would take the copies for its own.
pub fn kept(input: &Input<'_>, name: &str) -> Value {
    json!({"name": name, "namespace": input.namespace(), "labels": labels(&input.name())})
}

/// Puts the hash of the wish on the object: what somebody changed and what is wished differently can be told apart.
pub fn sealed(mut wish: Wish) -> Wish {
    let hash = hash_of(&wish.value, 16);
    wish.value["metadata"]["annotations"][APPLIED_ANNOTATION] = Value::from(hash);
    wish
}
