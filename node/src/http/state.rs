//! What the handlers work with.

use std::sync::{Arc, OnceLock};

use http::HeaderMap;

use super::cors::Cors;
use super::error::{ApiError, ApiResult};
use super::limits::Limits;
use crate::catalog::SharedCatalog;
use crate::element::{Element, PartHealth};
use crate::files::Files;
use crate::security::Caller;
use crate::settling::Settler;

/// What a token lacks.
#[derive(Clone, Debug)]
pub struct TokenError {
    /// `MISSING_TOKEN`, `INVALID_TOKEN` or `TOKEN_EXPIRED`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Judges tokens.
pub trait Authenticate: Send + Sync {
    /// Who the request comes from.
    fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, TokenError>;
}

/// Keys.
pub trait Keys: Send + Sync {
    /// Whether a key is loaded.
    fn health(&self) -> PartHealth;
    /// Ids of the loaded keys: issuer, operator.
    fn loaded_kids(&self) -> (Vec<String>, Vec<String>);
}

/// Counters.
pub trait Meter: Send + Sync {
    /// One answered request.
    fn request(&self, method: &str, route: &str, status: u16, seconds: f64);
    /// Bytes of bodies received.
    fn received(&self, bytes: u64);
    /// Bytes of bodies sent.
    fn sent(&self, bytes: u64);
    /// Text.
    fn render(&self) -> String;
}

/// One value of the effective configuration.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ConfigItem {
    /// Key.
    pub key: String,
    /// Value, masked.
    pub value: serde_json::Value,
    /// `env`, `file`, `default`.
    pub source: &'static str,
}

/// What is there once the node has started: settled, its mode known.
pub struct Services {
    /// What happens to files.
    pub files: Files,
    /// The element as a whole.
    pub element: Arc<Element>,
    /// What was left behind.
    pub settler: Arc<Settler>,
    /// The catalog, for numbers and the write-ahead log.
    pub catalog: SharedCatalog,
}

/// What is there from the first moment.
pub struct Front {
    /// Judges tokens.
    pub authenticator: Arc<dyn Authenticate>,
    /// The keys.
    pub keys: Arc<dyn Keys>,
    /// Counters.
    pub metrics: Arc<dyn Meter>,
    /// Limits of requests.
    pub limits: Limits,
    /// Who may call from a browser.
    pub cors: Cors,
    /// The effective configuration, secrets masked.
    pub config: Vec<ConfigItem>,
    /// Which of the open pages are served, and where.
    pub pages: Pages,
}

/// Which of the open pages beside health are served on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// `/metrics`.
    pub metrics: bool,
    /// `/openapi.json`.
    pub openapi: bool,
    /// `/docs`; needs `openapi`.
    pub docs: bool,
}

/// What every handler has. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    front: Front,
    services: OnceLock<Services>,
}

impl AppState {
    /// A node that is starting: health and pages answer, the API says 503 `RECOVERING`.
    pub fn starting(front: Front) -> Self {
        Self(Arc::new(Inner { front, services: OnceLock::new() }))
    }

    /// Opens the API. Only the first call counts.
    pub fn open(&self, services: Services) {
        let _ = self.0.services.set(services);
    }

    /// What is there from the first moment.
    pub fn front(&self) -> &Front {
        &self.0.front
    }

    /// What is there once the node has started; else 503 `RECOVERING`.
    pub fn services(&self) -> ApiResult<&Services> {
        self.0.services.get().ok_or_else(ApiError::starting)
    }
}
