//! How many nodes may be evicted at a time.

use serde_json::json;

use super::metadata::{owned, selector};
use super::{How, Input, Wish};
use crate::cache::Kind;

/// One at a time, and pods that are not ready at any time. Nothing for one replica: it would block every drain for ever.
pub fn build(input: &Input<'_>) -> Option<Wish> {
    if input.element.spec.replicas < 2 {
        return None;
    }
    let name = input.name();
    let value = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": owned(input, &name),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(&name)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    });
    Some(Wish { kind: Kind::PodDisruptionBudget, name, how: How::Apply, keeps: false, value })
}
