//! What the handlers work with.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::cors::Cors;
use super::error::{ApiError, ApiResult};
use super::forward::Forwarder;
use super::limits::Limits;
use crate::catalog::SharedCatalog;
use crate::config::ConfigItem;
use crate::election::Mastership;
use crate::element::{Element, Missing, ModeChanges};
use crate::files::Files;
use crate::jobs::Jobs;
use crate::security::Authenticator;
use crate::settling::Settler;
use crate::telemetry::metrics::{Metrics, Scrape};
use crate::telemetry::otlp::Traces;

/// What is there once the node has started: settled, its mode known.
pub struct Services {
    /// What happens to files.
    pub files: Files,
    /// The element as a whole.
    pub element: Arc<Element>,
    /// What was left behind.
    pub settler: Arc<Settler>,
    /// Changes of the mode.
    pub modes: Arc<ModeChanges>,
    /// Rebuild, verify, gc.
    pub jobs: Arc<Jobs>,
    /// The catalog, for numbers and the write-ahead log.
    pub catalog: SharedCatalog,
    /// Who is the master, and at which address.
    pub mastership: Mastership,
    /// Adds the numbers that other rooms keep to a scrape: folder syncs, jobs, dropped log lines.
    pub observe: Box<dyn Fn(&mut Scrape) + Send + Sync>,
}

/// What is there from the first moment.
pub struct Front {
    /// Judges tokens; its keys are part of readiness.
    pub authenticator: Arc<Authenticator>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where spans of requests go.
    pub traces: Traces,
    /// Limits of requests.
    pub limits: Limits,
    /// Who may call from a browser.
    pub cors: Cors,
    /// Passes writes on to the master; `None` where no peer port is configured.
    pub forwarder: Option<Forwarder>,
    /// The effective configuration, secrets masked.
    pub config: Vec<ConfigItem>,
}

/// What every handler has. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    front: Front,
    services: OnceLock<Services>,
    missing: Mutex<Option<Missing>>,
}

impl AppState {
    /// A node that is starting: health and pages answer, the API says 503 `RECOVERING`.
    pub fn starting(front: Front) -> Self {
        Self(Arc::new(Inner { front, services: OnceLock::new(), missing: Mutex::new(None) }))
    }

    /// Opens the API. Only the first call counts.
    pub fn open(&self, services: Services) {
        let _ = self.0.services.set(services);
    }

    /// The element cannot be opened yet for want of this.
    pub fn waits_for(&self, missing: Missing) {
        *self.0.missing.lock() = Some(missing);
    }

    /// What it waits for, if anything.
    pub fn missing(&self) -> Option<Missing> {
        self.0.missing.lock().clone()
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
