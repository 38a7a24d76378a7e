//! What pods were asked to be, as a hash: pods with another one are replaced.
//!
//! Only what a person asked for counts, never what this version of the operator makes of it: an upgrade of the operator
//! restarts nothing. Nor does what takes effect without a restart: sizes, replicas, the mode, Secrets.

use serde_json::{Value, json};
use storage_element_crds::StorageElementSpec;

use super::hash_of;

/// Digits of the hashes.
const DIGITS: usize = 16;

/// What pods were asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Hash of everything that pods are rolled for.
    pub all: String,
    /// Hash of the database alone: no two pods may run with different ones.
    pub database: String,
}

impl Shape {
    /// The shape of pods of the element called `name` with `image`.
    pub fn of(name: &str, spec: &StorageElementSpec, image: &str) -> Self {
        let database = database(name, spec);
        let mut template = serde_json::to_value(&spec.pod_template).unwrap_or_default();
        template["image"] = Value::from(image);
        let mut backend = serde_json::to_value(&spec.backend).unwrap_or_default();
        if let Some(local) = backend.get_mut("local").and_then(Value::as_object_mut) {
            local.remove("size");
        }
        let jwt = &spec.auth.jwt;
        let all = json!({
            "podTemplate": template,
            "backend": backend,
            "database": database,
            "config": spec.config,
            "retention": spec.retention,
            "election": spec.election,
            "tls": spec.tls,
            "auth": {
                "issuer": jwt.issuer,
                "audience": jwt.audience,
                "jwks": jwt.jwks_secret_ref,
                "maxTokenLifetimeHours": jwt.keys.max_token_lifetime_hours,
            },
        });
        Self { all: hash_of(&all, DIGITS), database: hash_of(&database, DIGITS) }
    }
}

/// Where the catalog is; its claim may grow.
fn database(name: &str, spec: &StorageElementSpec) -> Value {
    match &spec.database.postgres {
        Some(postgres) => json!({
            "secret": postgres.secret_ref,
            "schema": postgres.schema_of(name),
            "ca": postgres.ca_secret_ref,
        }),
        None => json!("embedded"),
    }
}
