//! Routing, envelopes and headers, as far as they need no file.

mod pages;
mod refusals;
mod traces;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::cors::Cors;
use super::limits::Limits;
use super::router::{Pages, router};
use super::state::{AppState, Front};
use crate::security::{Authenticator, DevKeys, KeyStore, Role, TokenRules};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::otlp::Traces;

static KEYS: LazyLock<(tempfile::TempDir, DevKeys)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let keys = DevKeys::load_or_create(folder.path()).unwrap();
    (folder, keys)
});

/// A node that is starting: everything up to the act itself can be asked of it.
pub fn state() -> AppState {
    with(|_| {})
}

/// The same, changed.
fn with(change: impl FnOnce(&mut Front)) -> AppState {
    let keys = Arc::new(KeyStore::open(KEYS.1.jwks_path(), None).unwrap());
    let mut front = Front {
        authenticator: Arc::new(Authenticator::new(keys, TokenRules::default())),
        metrics: Arc::new(Metrics::new("test").unwrap()),
        traces: Traces::off(),
        limits: Limits::default(),
        cors: Cors::default(),
        forwarder: None,
        config: Vec::new(),
    };
    change(&mut front);
    AppState::starting(front)
}

fn token(role: Role) -> String {
    format!("Bearer {}", KEYS.1.token(role, Duration::from_mins(10)).unwrap())
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The error's code, after checking that the envelope is whole.
    fn code(&self) -> String {
        let envelope: Value = serde_json::from_str(&self.body).expect(&self.body);
        let error = &envelope["error"];
        assert_eq!(error["request_id"].as_str().unwrap(), self.header("x-request-id"));
        assert!(error["details"].is_object() && !error["message"].as_str().unwrap().is_empty());
        assert_eq!(self.header("content-type"), "application/json");
        error["code"].as_str().unwrap().to_owned()
    }

    fn detail(&self, key: &str) -> Value {
        serde_json::from_str::<Value>(&self.body).unwrap()["error"]["details"][key].clone()
    }
}

async fn ask(state: &AppState, method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).unwrap();
    let response = router(state, Pages::ALL).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8_lossy(&to_bytes(body, 4 << 20).await.unwrap()).into_owned();
    Answer { status: parts.status, headers: parts.headers, body }
}
