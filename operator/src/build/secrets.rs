//! Keys and certificates. None has an owner: they outlive the element, like its files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use super::metadata::kept;
use super::{How, Input, Wish, hash_of};
use crate::cache::Kind;
use crate::names::{CA_CRT, JWKS_JSON, Names, PRIVATE_PEM, TLS_CRT, TLS_KEY};

/// Annotation with the date until which the certificate is good.
pub const NOT_AFTER_ANNOTATION: &str = "storage.artstore.dev/not-after";

/// Annotation with the hash of the certificate, its key and the authorities, so that an edited Secret is noticed.
pub const CONTENT_ANNOTATION: &str = "storage.artstore.dev/content";

/// The hash of [`CONTENT_ANNOTATION`].
pub fn content_hash(certificate: &str, key: &str, authorities: &str) -> String {
    hash_of(&[certificate, key, authorities], 32)
}

/// The issuers' pair (unless it comes from outside), the operator's, and the certificate of the peer port.
pub fn build(input: &Input<'_>) -> Vec<Wish> {
    let name = input.name();
    let names = Names(&name);
    let keys = input.keys;
    let mut wishes = Vec::new();
    if let Some(issuer) = &keys.issuer {
        // An answer that was lost must not lead to a second key over the first.
        wishes.push(secret(input, names.issuer(), How::CreateThenApply, &[(PRIVATE_PEM, &issuer.private_pem)]));
        wishes.push(secret(input, names.jwks(), How::Apply, &[(JWKS_JSON, &issuer.jwks)]));
    }
    let operator = &keys.operator;
    wishes.push(secret(input, names.operator(), How::CreateThenApply, &[(PRIVATE_PEM, &operator.private_pem)]));
    wishes.push(secret(input, names.operator_jwks(), How::Apply, &[(JWKS_JSON, &operator.jwks)]));
    let peer = &keys.peer;
    let mut certificate = secret(
        input,
        names.peer_tls(),
        How::Apply,
        &[(TLS_CRT, &peer.certificate), (TLS_KEY, &peer.key), (CA_CRT, &peer.authorities)],
    );
    let not_after = peer.not_after.format(&Rfc3339).unwrap_or_default();
    certificate.value["metadata"]["annotations"] = json!({
        NOT_AFTER_ANNOTATION: not_after,
        CONTENT_ANNOTATION: content_hash(&peer.certificate, &peer.key, &peer.authorities),
    });
    wishes.push(certificate);
    wishes
}

fn secret(input: &Input<'_>, name: String, how: How, content: &[(&str, &String)]) -> Wish {
    let data: Map<String, Value> =
        content.iter().map(|(key, text)| ((*key).to_owned(), Value::from(STANDARD.encode(text)))).collect();
    let value = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": kept(input, &name),
        "type": "Opaque",
        "data": data,
    });
    Wish { kind: Kind::Secret, name, how, keeps: true, value }
}
