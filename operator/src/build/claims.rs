//! The volumes: plain claims, which can grow. A StatefulSet's claim templates could not.

use serde_json::{Value, json};
use storage_element_crds::Quantity;

use super::metadata::kept;
use super::{How, Input, Wish};
use crate::cache::Kind;
use crate::names::Names;

/// The claim for files of a local backend, and that of an embedded database. None has an owner: files outlive the element.
pub fn build(input: &Input<'_>) -> Vec<Wish> {
    let name = input.name();
    let names = Names(&name);
    let spec = &input.element.spec;
    let mut wishes = Vec::new();
    if let Some(local) = &spec.backend.local {
        let modes: Vec<&str> = local.access_modes.iter().map(|mode| mode.as_str()).collect();
        wishes.push(claim(input, names.data(), &modes, &local.size, local.storage_class_name.as_deref()));
    }
    if let Some(embedded) = &spec.database.embedded {
        let class = embedded.storage_class_name.as_deref();
        wishes.push(claim(input, names.db(), &["ReadWriteOnce"], &embedded.size, class));
    }
    wishes
}

fn claim(input: &Input<'_>, name: String, modes: &[&str], size: &Quantity, class: Option<&str>) -> Wish {
    let mut value = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": kept(input, &name),
        "spec": {
            "accessModes": modes,
            "resources": {"requests": {"storage": size.to_string()}},
            "volumeMode": "Filesystem",
        },
    });
    if let Some(class) = class {
        value["spec"]["storageClassName"] = Value::from(class);
    }
    Wish { kind: Kind::PersistentVolumeClaim, name, how: How::Apply, keeps: true, value }
}
