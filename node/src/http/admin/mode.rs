//! `GET /admin/mode`.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::caller::AsAdmin;
use crate::http::error::ApiResult;
use crate::http::reply;
use crate::http::schema::ModeName;
use crate::http::state::AppState;
use crate::model::{Epoch, Timestamp};
use crate::security::LoadedKids;

/// The mode, and what is known of its changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModeState {
    /// The mode in force.
    #[schema(value_type = ModeName)]
    mode: &'static str,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Number of the running term.
    #[schema(value_type = u64, minimum = 0)]
    epoch: Epoch,
    /// A change on its way.
    #[schema(required)]
    transition: Option<TransitionState>,
    /// The last change that was done.
    #[schema(required)]
    last_transition_id: Option<String>,
    /// The last rollback that was done.
    #[schema(required)]
    last_rollback_id: Option<String>,
    /// Ids of the loaded keys.
    #[schema(value_type = crate::http::schema::KeyIds)]
    loaded_kids: LoadedKids,
}

/// A mode change on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransitionState {
    id: String,
    #[schema(minimum = 0)]
    attempt: u64,
    #[schema(value_type = ModeName)]
    target: &'static str,
    /// `draining` until it is prepared, then `prepared`.
    #[schema(value_type = crate::http::schema::PhaseName)]
    phase: &'static str,
    /// When it ends by itself.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    prepared_until: Option<Timestamp>,
}

/// The mode, a change on its way, and the loaded keys.
#[utoipa::path(
    get, path = "/api/v1/admin/mode", tag = "admin", operation_id = "getMode",
    responses((status = 200, description = "The mode", body = ModeState)),
)]
pub async fn mode(State(app): State<AppState>, _caller: AsAdmin) -> ApiResult<Response> {
    let view = app.services()?.element.view();
    let stands = |until: &Option<Timestamp>| until.is_none_or(|until| until > Timestamp::now());
    let transition =
        view.transition.filter(|(_, until)| stands(until)).map(|(transition, prepared_until)| TransitionState {
            id: transition.id,
            attempt: transition.attempt,
            target: transition.target.as_str(),
            phase: if prepared_until.is_some() { "prepared" } else { "draining" },
            prepared_until,
        });
    reply::json(&ModeState {
        mode: view.mode.as_str(),
        since: view.mode_changed_at,
        epoch: view.epoch,
        transition,
        last_transition_id: view.last_transition_id,
        last_rollback_id: view.last_rollback_id,
        loaded_kids: app.front().authenticator.keys().loaded_kids(),
    })
}
