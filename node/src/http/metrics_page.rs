//! `GET /metrics`.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode};

use super::error::{ApiError, ApiResult};
use super::reply;
use super::soon::soon;
use super::state::{AppState, Services};
use crate::catalog::JobKind;
use crate::election::Role;
use crate::model::Timestamp;
use crate::telemetry::metrics::{CapacityNumbers, METRICS_CONTENT_TYPE, Scrape};

/// Metrics for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "getMetrics", security(()),
    responses((status = 200, description = "Prometheus' text format", content_type = "text/plain", body = String)),
)]
pub async fn metrics(State(app): State<AppState>) -> ApiResult<Response> {
    let scrape = match app.services() {
        Ok(services) => gather(services).await,
        Err(_) => Scrape::default(),
    };
    let text = app.front().metrics.render(&scrape).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(reply::bytes_with(StatusCode::OK, HeaderValue::from_static(METRICS_CONTENT_TYPE), text))
}

/// What is true now. What does not answer is left out.
async fn gather(services: &Services) -> Scrape {
    let view = services.element.view();
    let catalog = &services.catalog;
    let (capacity, totals, wal) =
        tokio::join!(services.element.capacity(), soon(catalog.totals()), soon(catalog.wal_pending()));
    let (counters, election) = (catalog.counters(), services.element.election());
    let age = |began: Timestamp| {
        u64::try_from(Timestamp::now().micros().saturating_sub(began.micros()) / 1_000_000).unwrap_or(0)
    };
    let mut scrape = Scrape {
        files: totals.map(|totals| (totals.active_files, totals.deleted_files)),
        stored_bytes: totals.map(|totals| totals.active_bytes),
        wal_pending: wal.map(|wal| wal.pending),
        wal_failed: wal.map(|wal| wal.failed),
        wal_oldest_pending_seconds: wal.map(|wal| wal.oldest.map_or(0, age)),
        catalog_transactions: counters.transactions,
        catalog_connections: Some((counters.connections_used, counters.connections_idle)),
        mode: Some(view.mode.as_str()),
        master: Some(view.mode.is_writable() && view.role != Role::Standby),
        epoch: Some(view.epoch),
        lease_renewals: election.renewals().map(Vec::from).unwrap_or_default(),
        lease_seconds_since_renewal: election.since_renewal().map(|since| since.as_secs_f64()),
        capacity: Some(CapacityNumbers {
            total: capacity.total,
            used: capacity.used,
            available: capacity.available,
            level: capacity.level.as_str(),
        }),
        jobs_running: JobKind::ALL.map(|kind| (kind.as_str(), services.jobs.is_running(kind))).to_vec(),
        ..Scrape::default()
    };
    (services.observe)(&mut scrape);
    scrape
}
