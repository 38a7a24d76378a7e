//! Users' Secrets that an element refers to: whether they exist, never what they say.

use storage_element_crds::StorageElement;

use super::Context;
use super::problem::Problem;
use crate::cache::{Key, Kind};
use crate::cluster::Failure;

/// A Secret, and the field that names it.
struct Reference {
    name: String,
    field: &'static str,
    keys: String,
}

/// A problem for each Secret that is missing.
pub async fn check(context: &Context, key: &Key, element: &StorageElement) -> Result<Vec<Problem>, Failure> {
    let mut problems = Vec::new();
    for Reference { name, field, keys } in references(element) {
        if context.seen_secrets.lately(&key.namespace, &name) {
            continue;
        }
        if context.cluster.find(Kind::Secret, &key.namespace, &name).await?.is_some() {
            context.seen_secrets.now(&key.namespace, &name);
        } else {
            let namespace = &key.namespace;
            problems.push(Problem::stalls(
                "SecretMissing",
                format!(
                    "spec.{field} names the Secret {name:?}, which is not in namespace {namespace}: create it with \
                     {keys}, or name another"
                ),
            ));
        }
    }
    Ok(problems)
}

fn references(element: &StorageElement) -> Vec<Reference> {
    let spec = &element.spec;
    let mut all = Vec::new();
    let mut add = |name: Option<&String>, field, keys: &str| {
        if let Some(name) = name {
            all.push(Reference { name: name.clone(), field, keys: keys.to_owned() });
        }
    };
    if let Some(s3) = &spec.backend.s3 {
        let credentials = s3.credentials_secret_ref.as_ref().map(|secret| &secret.name);
        add(credentials, "backend.s3.credentialsSecretRef", "the keys accessKeyID and secretAccessKey");
        add(s3.ca_secret_ref.as_ref().map(|secret| &secret.name), "backend.s3.caSecretRef", "the key ca.crt");
    }
    if let Some(postgres) = &spec.database.postgres {
        let uri = format!("the key {}", postgres.secret_ref.key);
        add(Some(&postgres.secret_ref.name), "database.postgres.secretRef", &uri);
        let authority = postgres.ca_secret_ref.as_ref().map(|secret| &secret.name);
        add(authority, "database.postgres.caSecretRef", "the key ca.crt");
    }
    add(
        spec.auth.jwt.jwks_secret_ref.as_ref().map(|secret| &secret.name),
        "auth.jwt.jwksSecretRef",
        "the key jwks.json",
    );
    add(spec.tls.as_ref().map(|tls| &tls.secret_ref.name), "tls.secretRef", "the keys tls.crt and tls.key");
    for secret in &spec.pod_template.image_pull_secrets {
        add(Some(&secret.name), "podTemplate.imagePullSecrets", "the registry's credentials");
    }
    all
}
