//! Volumes: folders of this machine, ready to be claimed. `standard` (the default class) is for one node at a time,
//! `shared` for all.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

/// How many of each class there are.
const COUNT: usize = 12;

/// The classes and the volumes, whose folders are made below `folder`.
pub(super) fn objects(folder: &Path) -> Result<Value> {
    let mut items = vec![class("standard", true), class("shared", false)];
    for (class, modes) in [("standard", ["ReadWriteOnce"]), ("shared", ["ReadWriteMany"])] {
        for number in 1..=COUNT {
            let name = format!("{class}-{number}");
            let place = folder.join(&name);
            std::fs::create_dir_all(&place)?;
            // As a file server of an organisation would give it: `fsGroup` does not reach hostPath volumes.
            std::os::unix::fs::chown(&place, Some(65532), Some(65532))?;
            items.push(json!({
                "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
                "spec": {
                    "capacity": {"storage": "1Ti"}, "accessModes": modes, "storageClassName": class,
                    "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": place, "type": "Directory"},
                },
            }));
        }
    }
    Ok(json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

fn class(name: &str, default: bool) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": default.to_string()}},
        "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "Immediate", "reclaimPolicy": "Retain",
    })
}
