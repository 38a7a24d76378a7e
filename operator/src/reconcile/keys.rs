//! The element's keys: taken from the Secrets that hold them, or made.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use storage_element_crds::StorageElement;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::problem::Problem;
use super::{Context, Stop};
use crate::build::{Keys, content_hash};
use crate::cache::{Child, Key, Kind};
use crate::cluster::{Cause, Failure};
use crate::keys::{KeyError, KeyPair, PeerCertificate, RENEW_BEFORE};
use crate::names::{CA_CRT, ELEMENT_LABEL, Names, PRIVATE_PEM, TLS_CRT, TLS_KEY};

const NOT_AFTER_POINTER: &str = "/metadata/annotations/storage.artstore.dev~1not-after";
const CONTENT_POINTER: &str = "/metadata/annotations/storage.artstore.dev~1content";

/// All keys of the element.
pub async fn read(
    context: &Context,
    key: &Key,
    element: &StorageElement,
    children: &[Arc<Child>],
) -> Result<Keys, Stop> {
    let name = element.name_any();
    let names = Names(&name);
    let bits = element.spec.auth.jwt.keys.bits;
    let secret = |name: &str| children.iter().find(|child| child.kind == Kind::Secret && child.name == name);
    let issuer = match element.spec.auth.jwt.jwks_secret_ref {
        Some(_) => None,
        None => Some(pair(context, key, &names.issuer(), secret(&names.issuer()), bits).await?),
    };
    let operator = pair(context, key, &names.operator(), secret(&names.operator()), bits).await?;
    let peer = peer(context, key, &names.peer_tls(), secret(&names.peer_tls())).await?;
    Ok(Keys { issuer, operator, peer })
}

async fn pair(
    context: &Context,
    key: &Key,
    name: &str,
    secret: Option<&Arc<Child>>,
    bits: u32,
) -> Result<KeyPair, Stop> {
    let place = format!("{}/{name}", key.namespace);
    let Some(secret) = secret else {
        must_be_absent(context, key, name).await?;
        return Ok(context.maker.pair(&place, bits).await?);
    };
    context.maker.written(&place);
    let pem = content(&secret.value(), PRIVATE_PEM).unwrap_or_default();
    // Never replaced by itself: whoever issues tokens holds the other copy.
    KeyPair::from_pem(&pem).map_err(|error| {
        Stop::Problem(Problem::stalls(
            "KeyUnusable",
            format!(
                "the key {PRIVATE_PEM} of Secret {name:?} {error}: put the right one back, or delete the Secret to have \
                 a new pair made (tokens signed with the old one are refused then)"
            ),
        ))
    })
}

async fn peer(context: &Context, key: &Key, name: &str, secret: Option<&Arc<Child>>) -> Result<PeerCertificate, Stop> {
    let Some(secret) = secret else {
        must_be_absent(context, key, name).await?;
        return Ok(context.maker.peer(&key.name, &key.namespace, "").await?);
    };
    let value = secret.value();
    let not_after = value.pointer(NOT_AFTER_POINTER).and_then(Value::as_str);
    let not_after = not_after.and_then(|date| OffsetDateTime::parse(date, &Rfc3339).ok());
    let parts = (content(&value, TLS_CRT), content(&value, TLS_KEY), content(&value, CA_CRT), not_after);
    let mut before = String::new();
    if let (Some(certificate), Some(private), Some(authorities), Some(not_after)) = parts
        && is_as_recorded(&value, &certificate, &private, &authorities)
    {
        if not_after - OffsetDateTime::now_utc() > RENEW_BEFORE {
            return Ok(PeerCertificate { certificate, key: private, authorities, not_after });
        }
        before = authorities;
    }
    Ok(context.maker.peer(&key.name, &key.namespace, &before).await?)
}

/// A certificate that somebody put there instead of ours would lock nodes out of each other; the hash of what was applied
/// tells.
fn is_as_recorded(secret: &Value, certificate: &str, private: &str, authorities: &str) -> bool {
    let recorded = secret.pointer(CONTENT_POINTER).and_then(Value::as_str);
    recorded == Some(content_hash(certificate, private, authorities).as_str())
}

fn content(secret: &Value, key: &str) -> Option<String> {
    let encoded = secret.get("data")?.get(key)?.as_str()?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// A Secret that the watch does not show must not be there, or a new key would be written over the one in it.
async fn must_be_absent(context: &Context, key: &Key, name: &str) -> Result<(), Stop> {
    let Some(found) = context.cluster.find(Kind::Secret, &key.namespace, name).await? else { return Ok(()) };
    let labelled = found.element.as_deref() == Some(key.name.as_str());
    if found.deleting || labelled {
        // The watch will tell.
        let failure = Failure {
            what: format!("make Secret {}/{name}", key.namespace),
            cause: Cause::Conflict("one of that name is there already".to_owned()),
        };
        return Err(failure.into());
    }
    if found.applied_by_us {
        // Somebody took our label off. With it the watch shows the Secret again.
        let wish = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name, "namespace": key.namespace, "labels": {ELEMENT_LABEL: key.name}},
        });
        let secret = context.cluster.apply(Kind::Secret, key, name, &wish).await?;
        context.children.put(Kind::Secret, secret);
        return Err(Stop::Again);
    }
    Err(Stop::Problem(Problem::stalls(
        "NameTaken",
        format!(
            "a Secret {name:?} that is not the operator's is in namespace {}: remove it or rename it, or give the element \
             another name",
            key.namespace
        ),
    )))
}

impl From<KeyError> for Stop {
    fn from(error: KeyError) -> Self {
        let cause = Cause::Unavailable(error.to_string());
        Self::Failed(Failure { what: "make a key".to_owned(), cause })
    }
}
