//! The Lease that the nodes hold in turn.

use serde_json::json;

use super::metadata::owned;
use super::{How, Input, Wish};
use crate::cache::Kind;

/// The Lease: made empty, never applied again, because from then on it is the nodes'.
pub fn build(input: &Input<'_>) -> Wish {
    let name = input.name();
    let value = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": owned(input, &name),
        "spec": {},
    });
    Wish { kind: Kind::Lease, name, how: How::CreateOnly, keeps: false, value }
}
