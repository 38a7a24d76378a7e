//! Calls to a node.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage_element_crds::Mode;

use super::connection::send;
use super::info::Info;
use crate::cache::{Child, Key, Kind};
use crate::keys::{KeyPair, operator_token};
use crate::names::{CA_CRT, Names, PRIVATE_PEM, TLS_CRT, TLS_KEY};

/// Why a node could not be asked, or what it refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeFailure {
    /// No answer.
    #[error("{0}")]
    Unreachable(String),
    /// The element's own Secrets do not let the operator in.
    #[error("{0}")]
    Keys(String),
    /// The node says no.
    #[error("the node refuses: {code} {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error's code.
        code: String,
        /// The error's message.
        message: String,
    },
    /// The answer makes no sense.
    #[error("the node's answer cannot be read: {0}")]
    Nonsense(String),
}

/// One pod, and all that is needed to call it.
#[derive(Clone)]
pub struct Target {
    /// The pod.
    pub pod: String,
    /// Its address.
    pub address: String,
    /// The name its certificate is for.
    pub host: String,
    /// Name of the Secret with the certificate.
    pub certificate_secret: String,
    /// The certificate the operator shows.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Who signs the nodes' certificates.
    pub authorities: String,
    /// The operator's key for this element.
    pub pair: KeyPair,
    /// The element, once it is known: the audience of tokens.
    pub element_id: Option<String>,
}

impl Target {
    /// The pod at `address`, with the keys among the element's `children`. `None` while they are not all there.
    pub fn of(key: &Key, pod: &str, address: &str, children: &[Arc<Child>], element_id: Option<&str>) -> Option<Self> {
        let names = Names(&key.name);
        let secret = |name: &str| {
            let child = children.iter().find(|child| child.kind == Kind::Secret && child.name == name)?;
            Some(child.value())
        };
        let peer = secret(&names.peer_tls())?;
        let pair = KeyPair::from_pem(&content(&secret(&names.operator())?, PRIVATE_PEM)?).ok()?;
        Some(Self {
            pod: pod.to_owned(),
            address: address.to_owned(),
            host: format!("{pod}.{}.{}.svc", names.headless(), key.namespace),
            certificate_secret: names.peer_tls(),
            certificate: content(&peer, TLS_CRT)?,
            key: content(&peer, TLS_KEY)?,
            authorities: content(&peer, CA_CRT)?,
            pair,
            element_id: element_id.map(str::to_owned),
        })
    }

    /// A token for this element; none while its id is not known.
    pub(super) fn token(&self) -> Result<Option<String>, NodeFailure> {
        let token = self.element_id.as_deref().map(|id| operator_token(&self.pair, id)).transpose();
        token.map_err(|error| NodeFailure::Keys(format!("the operator's key {error}")))
    }
}

fn content(secret: &Value, key: &str) -> Option<String> {
    let encoded = secret.get("data")?.get(key)?.as_str()?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// `PUT /admin/mode`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModeRequest {
    /// Where to.
    pub mode: Mode,
    /// `prepare`, `commit` or `abort`.
    pub phase: &'static str,
    /// Which transition.
    pub transition_id: String,
    /// Which try.
    pub attempt: u32,
    /// Why, for the log.
    pub reason: String,
    /// How long running writes may take to end.
    pub drain_timeout_seconds: u32,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ModeAnswer {
    /// The mode in force.
    pub mode: Mode,
    /// How far it is.
    #[serde(default)]
    pub phase: Option<String>,
}

/// What the element is.
pub(super) async fn info(target: &Target) -> Result<Info, NodeFailure> {
    parsed(send(target, Method::GET, "/api/v1/info", None).await?)
}

/// A phase of a change of mode.
pub async fn put_mode(target: &Target, request: &ModeRequest) -> Result<ModeAnswer, NodeFailure> {
    let body = serde_json::to_vec(request).map_err(|error| NodeFailure::Nonsense(error.to_string()))?;
    parsed(send(target, Method::PUT, "/api/v1/admin/mode", Some(body)).await?)
}

fn parsed<T: serde::de::DeserializeOwned>((status, body): (StatusCode, Bytes)) -> Result<T, NodeFailure> {
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| NodeFailure::Nonsense(error.to_string()));
    }
    let envelope: Value = serde_json::from_slice(&body).unwrap_or_default();
    let field = |name: &str| envelope.pointer(&format!("/error/{name}")).and_then(Value::as_str).map(str::to_owned);
    Err(NodeFailure::Refused {
        status: status.as_u16(),
        code: field("code").unwrap_or_else(|| status.to_string()),
        message: field("message").unwrap_or_default(),
    })
}
