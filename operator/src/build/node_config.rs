//! What the node is told, with the keys of its configuration file (`10-node`, Configuration).

use serde_json::{Map, Value, json};
use storage_element_crds::element::{Backend, Database};

use super::volumes::{DATA_PATH, DB_PATH, secret_path};
use super::{HTTP_PORT, Input, METRICS_PORT, PEER_PORT};
use crate::names::{CA_CRT, TLS_CRT, TLS_KEY};

/// Sections that `spec.config` may not have.
const DECIDED: [&str; 9] = ["element", "server", "peer", "tls", "auth", "storage", "database", "election", "retention"];

/// The configuration: the user's sections, and over them what the operator decides.
pub fn build(input: &Input<'_>) -> Value {
    let spec = &input.element.spec;
    let name = input.name();
    let mut config = Value::Object(spec.config.clone());
    let mut element = json!({"mode": input.first_mode.as_str()});
    if let Some(adopt) = &spec.adopt {
        element["adopt"] = Value::from(true);
        element["id"] = Value::from(adopt.element_id.as_str());
    }
    let mut own = json!({
        "element": element,
        "server": {
            "listen": format!("0.0.0.0:{HTTP_PORT}"),
            "admin_listen": format!("0.0.0.0:{METRICS_PORT}"),
        },
        "peer": {
            "listen": format!("0.0.0.0:{PEER_PORT}"),
            "cert_file": format!("{}/{TLS_CRT}", secret_path("peer-tls")),
            "key_file": format!("{}/{TLS_KEY}", secret_path("peer-tls")),
            "ca_file": format!("{}/{CA_CRT}", secret_path("peer-tls")),
        },
        "auth": {"jwt": jwt(input)},
        "storage": storage(&spec.backend),
        "database": database(&name, &spec.database),
        "election": {
            "kind": "lease",
            "namespace": input.namespace(),
            "lease_name": name,
            "replicas": spec.replicas.max(1),
            "lease_duration_seconds": spec.election.lease_duration_seconds,
            "renew_deadline_seconds": spec.election.renew_deadline_seconds,
            "retry_period_seconds": spec.election.retry_period_seconds,
        },
        "retention": retention(input),
    });
    if spec.tls.is_some() {
        own["tls"] = json!({
            "cert_file": format!("{}/{TLS_CRT}", secret_path("tls")),
            "key_file": format!("{}/{TLS_KEY}", secret_path("tls")),
        });
    }
    if let Some(quota) = spec.backend.s3.as_ref().and_then(|s3| s3.quota.as_ref()?.bytes().ok()) {
        own["capacity"] = json!({"quota_bytes": quota});
    }
    // What the operator decides is decided by it alone, whatever stood there.
    for section in DECIDED {
        if let Some(sections) = config.as_object_mut() {
            sections.remove(section);
        }
    }
    merge(&mut config, own);
    config
}

fn jwt(input: &Input<'_>) -> Value {
    let jwt = &input.element.spec.auth.jwt;
    let mut section = json!({
        "keys": secret_path("jwks"),
        "operator_keys": secret_path("operator-jwks"),
        "max_token_lifetime_hours": jwt.keys.max_token_lifetime_hours,
    });
    if let Some(issuer) = &jwt.issuer {
        section["issuer"] = Value::from(issuer.as_str());
    }
    if let Some(audience) = &jwt.audience {
        section["audience"] = Value::from(audience.as_str());
    }
    section
}

fn storage(backend: &Backend) -> Value {
    let Some(s3) = &backend.s3 else { return json!({"local": {"path": DATA_PATH}}) };
    let mut section = json!({"bucket": s3.bucket, "force_path_style": s3.force_path_style});
    let mut put = |key: &str, text: Option<String>| {
        if let Some(text) = text {
            section[key] = Value::from(text);
        }
    };
    put("prefix", s3.prefix.clone());
    put("region", s3.region.clone());
    put("endpoint", s3.endpoint.clone());
    put("ca_file", s3.ca_secret_ref.as_ref().map(|_| format!("{}/{CA_CRT}", secret_path("s3-ca"))));
    let credentials =
        |key: &str| s3.credentials_secret_ref.as_ref().map(|_| format!("{}/{key}", secret_path("s3-credentials")));
    put("access_key_id_file", credentials("accessKeyID"));
    put("secret_access_key_file", credentials("secretAccessKey"));
    json!({"s3": section})
}

fn database(name: &str, database: &Database) -> Value {
    let Some(postgres) = &database.postgres else {
        return json!({"sqlite": {"path": format!("{DB_PATH}/catalog.sqlite")}});
    };
    let mut section = json!({
        "url_file": format!("{}/{}", secret_path("database"), postgres.secret_ref.key),
        "schema": postgres.schema_of(name),
    });
    if postgres.ca_secret_ref.is_some() {
        section["ca_file"] = Value::from(format!("{}/{CA_CRT}", secret_path("database-ca")));
    }
    json!({"postgres": section})
}

fn retention(input: &Input<'_>) -> Value {
    let retention = &input.element.spec.retention;
    let mut section = json!({
        "minimum_days": retention.minimum_days,
        "deleted_grace_hours": retention.deleted_grace_hours,
    });
    if let Some(days) = retention.time_to_live_days {
        section["time_to_live_days"] = Value::from(days);
    }
    section
}

/// Puts `over` over `under`, section by section.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => merge_fields(under, over),
        (under, over) => *under = over,
    }
}

fn merge_fields(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        merge(under.entry(name).or_insert(Value::Null), value);
    }
}
