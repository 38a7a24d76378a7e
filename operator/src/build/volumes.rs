//! Volumes of the pods, and where they are mounted.

use serde_json::{Value, json};

use super::Input;
use super::config_map::CONFIG_FILE;
use crate::names::{CA_CRT, JWKS_JSON, Names, TLS_CRT, TLS_KEY};

/// Where the files are.
pub const DATA_PATH: &str = "/var/lib/storage-element/data";
/// Where the embedded database is.
pub const DB_PATH: &str = "/var/lib/storage-element/db";
/// Where the configuration file is.
pub const CONFIG_PATH: &str = "/etc/storage-element/config";

/// Where a Secret is mounted.
pub fn secret_path(volume: &str) -> String {
    format!("/etc/storage-element/{volume}")
}

/// A Secret as a folder of the keys that the node reads: never a variable (it would not change), never a sub-path (the
/// kubelet would not refresh it).
struct SecretFolder {
    volume: &'static str,
    secret: String,
    keys: Vec<String>,
}

fn secret_folders(input: &Input<'_>) -> Vec<SecretFolder> {
    let name = input.name();
    let names = Names(&name);
    let spec = &input.element.spec;
    let folder = |volume, secret: &str, keys: &[&str]| SecretFolder {
        volume,
        secret: secret.to_owned(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    };
    let jwks = spec.auth.jwt.jwks_secret_ref.as_ref().map_or_else(|| names.jwks(), |secret| secret.name.clone());
    let mut folders = vec![
        folder("jwks", &jwks, &[JWKS_JSON]),
        folder("operator-jwks", &names.operator_jwks(), &[JWKS_JSON]),
        folder("peer-tls", &names.peer_tls(), &[TLS_CRT, TLS_KEY, CA_CRT]),
    ];
    if let Some(tls) = &spec.tls {
        folders.push(folder("tls", &tls.secret_ref.name, &[TLS_CRT, TLS_KEY]));
    }
    if let Some(s3) = &spec.backend.s3 {
        if let Some(secret) = &s3.credentials_secret_ref {
            folders.push(folder("s3-credentials", &secret.name, &["accessKeyID", "secretAccessKey"]));
        }
        if let Some(secret) = &s3.ca_secret_ref {
            folders.push(folder("s3-ca", &secret.name, &[CA_CRT]));
        }
    }
    if let Some(postgres) = &spec.database.postgres {
        folders.push(folder("database", &postgres.secret_ref.name, &[&postgres.secret_ref.key]));
        if let Some(secret) = &postgres.ca_secret_ref {
            folders.push(folder("database-ca", &secret.name, &[CA_CRT]));
        }
    }
    folders
}

/// Volumes of the pod.
pub fn volumes(input: &Input<'_>, config: &str) -> Vec<Value> {
    let name = input.name();
    let names = Names(&name);
    let mut volumes = vec![
        json!({"name": "config", "configMap": {"name": config, "items": [{"key": CONFIG_FILE, "path": CONFIG_FILE}]}}),
        json!({"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}),
    ];
    for folder in secret_folders(input) {
        let items: Vec<Value> = folder.keys.iter().map(|key| json!({"key": key, "path": key})).collect();
        // Readable by the pod's group only.
        let secret = json!({"secretName": folder.secret, "items": items, "defaultMode": 0o440});
        volumes.push(json!({"name": folder.volume, "secret": secret}));
    }
    if input.element.spec.backend.local.is_some() {
        volumes.push(json!({"name": "data", "persistentVolumeClaim": {"claimName": names.data()}}));
    }
    if input.element.spec.database.embedded.is_some() {
        volumes.push(json!({"name": "db", "persistentVolumeClaim": {"claimName": names.db()}}));
    }
    volumes
}

/// Where the container mounts them.
pub fn mounts(input: &Input<'_>) -> Vec<Value> {
    let mut mounts = vec![
        json!({"name": "config", "mountPath": CONFIG_PATH, "readOnly": true}),
        json!({"name": "tmp", "mountPath": "/tmp"}),
    ];
    for folder in secret_folders(input) {
        mounts.push(json!({"name": folder.volume, "mountPath": secret_path(folder.volume), "readOnly": true}));
    }
    if input.element.spec.backend.local.is_some() {
        if input.mode.is_writable() {
            mounts.push(json!({"name": "data", "mountPath": DATA_PATH}));
        } else {
            // Sealed by the kernel, but for the element's own record. One claim in two volumes would hang: one volume, twice.
            mounts.push(json!({"name": "data", "mountPath": DATA_PATH, "readOnly": true}));
            let own = format!("{DATA_PATH}/.element");
            mounts.push(json!({"name": "data", "mountPath": own, "subPath": ".element"}));
        }
    }
    if input.element.spec.database.embedded.is_some() {
        mounts.push(json!({"name": "db", "mountPath": DB_PATH}));
    }
    mounts
}
