//! The nodes.

use serde_json::{Value, json};

use super::metadata::{owned, selector};
use super::pod::template;
use super::{How, Input, Wish};
use crate::cache::Kind;
use crate::names::{FIRST_MODE_ANNOTATION, IMAGE_ANNOTATION, Names, USE_OPERATOR_IMAGE};

/// Revisions that are kept to go back to by hand.
const REVISIONS: u32 = 3;

/// The StatefulSet. `OnDelete`: the operator replaces pods itself, the master last; all at once otherwise, because no node
/// waits for another.
pub fn build(input: &Input<'_>, names: Names<'_>, config: &str) -> Wish {
    let name = names.main();
    let mut metadata = owned(input, &name);
    metadata["annotations"] = json!({
        FIRST_MODE_ANNOTATION: input.first_mode.as_str(),
        IMAGE_ANNOTATION: input.operator_image,
    });
    if let Some(request) = &input.image_request {
        metadata["annotations"][USE_OPERATOR_IMAGE] = Value::from(request.as_str());
    }
    let value = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "replicas": input.replicas,
            "serviceName": names.headless(),
            "selector": {"matchLabels": selector(&input.name())},
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "revisionHistoryLimit": REVISIONS,
            "template": template(input, names, config),
        },
    });
    Wish { kind: Kind::StatefulSet, name, how: How::Apply, keeps: false, value }
}
