//! `GET /info`.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::capacity::CapacityInfo;
use super::error::ApiResult;
use super::reply;
use super::soon::soon;
use super::state::AppState;
use crate::catalog::RetentionSummary;
use crate::model::{Epoch, Timestamp};

/// What the element is right now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ElementInfo {
    element_id: Uuid,
    /// The program's version.
    version: &'static str,
    /// The mode in force.
    #[schema(value_type = super::schema::ModeName)]
    mode: &'static str,
    /// The mode the configuration names; `null` where an operator decides it.
    #[schema(required, value_type = Option<super::schema::ModeName>)]
    configured_mode: Option<&'static str>,
    /// What this node is.
    #[schema(value_type = super::schema::RoleName)]
    role: crate::election::Role,
    /// Number of the running term.
    #[schema(value_type = u64, minimum = 0)]
    epoch: Epoch,
    /// Who is master.
    #[schema(required)]
    master: Option<String>,
    /// What the mode allows.
    #[schema(value_type = Vec<super::schema::OperationName>)]
    allowed_operations: Vec<&'static str>,
    capacity: CapacityInfo,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Since the Lease was last renewed; `null` without a Lease.
    #[schema(required)]
    seconds_since_renewal: Option<f64>,
    /// `null` while the catalog does not answer.
    #[schema(required)]
    files: Option<FileCounts>,
    /// `null` while the catalog does not answer.
    #[schema(required)]
    retention: Option<RetentionInfo>,
}

/// Numbers of files.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileCounts {
    #[schema(minimum = 0)]
    active: u64,
    #[schema(minimum = 0)]
    deleted: u64,
    /// Transactions announced and not ended.
    #[schema(minimum = 0)]
    pending_wal: u64,
}

/// What keeps files from being deleted.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetentionInfo {
    /// The latest date until which a file is kept; `null` if none is.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    latest_until: Option<Timestamp>,
    /// How many files are held.
    #[schema(minimum = 0)]
    legal_holds: u64,
}

impl RetentionInfo {
    /// Of all files together, with the element's minimum.
    fn of(summary: RetentionSummary, minimum_days: u32) -> Self {
        let newest = summary.newest_created_at.filter(|_| minimum_days > 0);
        let latest_until = summary.latest_until.max(newest.map(|created_at| created_at.plus_days(minimum_days)));
        Self { latest_until, legal_holds: summary.legal_holds }
    }
}

/// What the element is, and what it allows now.
#[utoipa::path(
    get, path = "/api/v1/info", tag = "element", operation_id = "getInfo", security(()),
    responses((status = 200, description = "The element", body = ElementInfo)),
)]
pub async fn info(State(app): State<AppState>) -> ApiResult<Response> {
    let services = app.services()?;
    let view = services.element.view();
    let catalog = &services.catalog;
    let (capacity, totals, wal, retention) = tokio::join!(
        services.element.capacity(),
        soon(catalog.totals()),
        soon(catalog.wal_pending()),
        soon(catalog.retention()),
    );
    let files = totals.zip(wal).map(|(totals, wal)| FileCounts {
        active: totals.active_files,
        deleted: totals.deleted_files,
        pending_wal: wal.pending,
    });
    let minimum_days = services.element.retention().minimum_days;
    reply::json(&ElementInfo {
        element_id: view.element_id,
        version: env!("CARGO_PKG_VERSION"),
        mode: view.mode.as_str(),
        configured_mode: view.configured_mode.map(storage_element_crds::Mode::as_str),
        role: view.role,
        epoch: view.epoch,
        master: view.master,
        allowed_operations: view.mode.allowed_operations().map(storage_element_crds::Operation::as_str).collect(),
        capacity: capacity.into(),
        created_at: view.created_at,
        seconds_since_renewal: services.element.election().since_renewal().map(|since| since.as_secs_f64()),
        files,
        retention: retention.map(|summary| RetentionInfo::of(summary, minimum_days)),
    })
}
