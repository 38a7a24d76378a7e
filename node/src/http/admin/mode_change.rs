//! `PUT /admin/mode`: the whole change, or one phase of it.
//!
//! Source of the rules: the product specification, `10-node`, Mode changes, and `15-api`, Mode.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use storage_element_crds::Mode;
use utoipa::ToSchema;

use crate::element::{ModeAnswer, ModeRequest, Phase};
use crate::http::arrival::{Arrival, Port};
use crate::http::audit::Trail;
use crate::http::caller::AsAdmin;
use crate::http::error::{ApiError, ApiResult, Code};
use crate::http::forward::AtMaster;
use crate::http::object::{Members, REASON_LIMIT};
use crate::http::reply;
use crate::http::schema::{ChangePhaseName, ModeName};
use crate::http::state::AppState;
use crate::model::Timestamp;

/// The largest number that every JSON reader keeps exact.
const ATTEMPT_LIMIT: u64 = (1 << 53) - 1;
/// The longest drain, in seconds: a day.
const DRAIN_LIMIT_SECONDS: u64 = 86_400;
const KNOWN: &str = "mode, phase, transition_id, attempt, confirm, reason, drain_timeout_seconds, \
     rollback_request_id and report";

/// How far a mode change has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModeChanged {
    /// The mode in force now.
    #[schema(value_type = ModeName)]
    mode: &'static str,
    /// The mode before this request.
    #[schema(value_type = ModeName)]
    previous: &'static str,
    /// Since when the mode is in force.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// What is done. After `draining` the same `prepare` is sent again until it answers `prepared`.
    #[schema(value_type = ChangePhaseName)]
    phase: &'static str,
}

impl From<ModeAnswer> for ModeChanged {
    fn from(answer: ModeAnswer) -> Self {
        let ModeAnswer { mode, previous, since, phase } = answer;
        Self { mode: mode.as_str(), previous: previous.as_str(), since, phase }
    }
}

/// Change the mode: `rw` to `ro` to `ar`, one step at a time, or with `confirm` one step back.
///
/// Without `phase` all of it; with it one part, for an orchestrator: `prepare` until it answers `prepared`, then
/// `commit`, or `abort`. Repeating a phase is no error. Where a peer port is configured, phases come through it only.
#[utoipa::path(
    put, path = "/api/v1/admin/mode", tag = "admin", operation_id = "changeMode",
    request_body = crate::http::schema::ModeWish,
    responses((status = 200, description = "How far it has come", body = ModeChanged)),
)]
pub async fn change(
    State(app): State<AppState>,
    AsAdmin(caller): AsAdmin,
    AtMaster(request): AtMaster,
) -> ApiResult<Response> {
    let limits = &app.front().limits;
    Members::expect(&request, limits)?;
    let (parts, body) = request.into_parts();
    let wish = read(Members::read(body, limits).await?, limits.drain_timeout, caller.id)?;
    Trail::note_details(&parts.extensions, told(&wish));
    if wish.phase.is_some() {
        phases_may_come(&app, Arrival::of(&parts.extensions))?;
    }
    let answer = app.services()?.modes.change(wish).await?;
    reply::json(&ModeChanged::from(answer))
}

/// Phases are the orchestrator's: where it has a way of its own, they come that way only.
fn phases_may_come(app: &AppState, arrival: Arrival) -> ApiResult<()> {
    if app.front().forwarder.is_none() || arrival.port == Port::Peer {
        return Ok(());
    }
    Err(ApiError::new(
        Code::Forbidden,
        "phases come through the peer port, where one is configured: leave phase out to change the mode as a whole",
    ))
}

fn read(mut body: Members, drain_timeout: Duration, by: String) -> ApiResult<ModeRequest> {
    let mode = body.text("mode", 64)?.and_then(|mode| mode.parse::<Mode>().ok());
    let mode = mode.ok_or_else(|| ApiError::invalid("mode", "mode is edit, rw, ro or ar"))?;
    let phase = match body.text("phase", 64)?.as_deref() {
        None => None,
        Some("prepare") => Some(Phase::Prepare),
        Some("commit") => Some(Phase::Commit),
        Some("abort") => Some(Phase::Abort),
        Some(_) => return Err(ApiError::invalid("phase", "phase is prepare, commit or abort; without it all is done")),
    };
    let transition_id = body.name("transition_id")?;
    let attempt = body.number("attempt", 0..=ATTEMPT_LIMIT)?;
    if phase.is_some() && transition_id.is_none() {
        return Err(ApiError::invalid("transition_id", "a phase needs the transition_id that all phases share"));
    }
    if matches!(phase, Some(Phase::Prepare | Phase::Commit)) && attempt.is_none() {
        return Err(ApiError::invalid("attempt", "prepare and commit need attempt, which rises when all starts over"));
    }
    let report = match body.value("report") {
        None => None,
        Some(Value::Object(_)) if phase != Some(Phase::Commit) => {
            return Err(ApiError::invalid("report", "a report comes with phase commit only"));
        }
        Some(Value::Object(report)) => Some(report),
        Some(_) => return Err(ApiError::invalid("report", "report is a JSON object")),
    };
    let request = ModeRequest {
        mode,
        phase,
        transition_id,
        attempt,
        confirm: body.flag("confirm")?,
        reason: body.text("reason", REASON_LIMIT)?,
        drain_timeout: body
            .number("drain_timeout_seconds", 0..=DRAIN_LIMIT_SECONDS)?
            .map_or(drain_timeout, Duration::from_secs),
        rollback_request_id: body.name("rollback_request_id")?,
        report,
        by,
    };
    body.end(KNOWN)?;
    Ok(request)
}

/// What the audit line says of a wish.
fn told(wish: &ModeRequest) -> String {
    let phase = wish.phase.map_or("all", |phase| match phase {
        Phase::Prepare => "prepare",
        Phase::Commit => "commit",
        Phase::Abort => "abort",
    });
    json!({
        "mode": wish.mode, "phase": phase, "transition_id": wish.transition_id, "attempt": wish.attempt,
        "confirm": wish.confirm, "reason": wish.reason, "rollback_request_id": wish.rollback_request_id,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use storage_element_crds::Mode;

    use super::read;
    use crate::element::Phase;
    use crate::http::object::Members;

    fn wish(body: &Value) -> crate::http::ApiResult<crate::element::ModeRequest> {
        read(Members::of(&body.to_string()), Duration::from_secs(30), "admin-1".to_owned())
    }

    #[test]
    fn a_mode_alone_is_the_whole_change() {
        let all = wish(&json!({"mode": "ro"})).unwrap();
        assert_eq!((all.mode, all.phase, all.confirm, all.drain_timeout.as_secs()), (Mode::Ro, None, false, 30));
        let commit =
            wish(&json!({"mode": "ar", "phase": "commit", "transition_id": "t.1", "attempt": 2, "confirm": true,
            "reason": "year end", "drain_timeout_seconds": 0, "rollback_request_id": "r", "report": {"files": 1}}));
        let commit = commit.unwrap();
        assert_eq!((commit.phase, commit.attempt), (Some(Phase::Commit), Some(2)));
        assert!(commit.confirm && commit.drain_timeout.is_zero() && commit.report.is_some());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            (json!({}), "mode"),
            (json!({"mode": "rx"}), "mode"),
            (json!({"mode": 1}), "mode"),
            (json!({"mode": "ro", "phase": "all"}), "phase"),
            (json!({"mode": "ro", "phase": "abort"}), "transition_id"),
            (json!({"mode": "ro", "phase": "commit", "transition_id": "t"}), "attempt"),
            (json!({"mode": "ro", "transition_id": "../x"}), "transition_id"),
            (json!({"mode": "ro", "transition_id": "x".repeat(65)}), "transition_id"),
            (json!({"mode": "ro", "attempt": -1}), "attempt"),
            (json!({"mode": "ro", "attempt": 1_u64 << 53}), "attempt"),
            (json!({"mode": "ro", "confirm": "yes"}), "confirm"),
            (json!({"mode": "ro", "reason": "x".repeat(1001)}), "reason"),
            (json!({"mode": "ro", "drain_timeout_seconds": 86_401}), "drain_timeout_seconds"),
            (json!({"mode": "ro", "rollback_request_id": ""}), "rollback_request_id"),
            (json!({"mode": "ro", "report": {}}), "report"),
            (json!({"mode": "ro", "report": []}), "report"),
            (json!({"mode": "ro", "colour": "red"}), "colour"),
        ] {
            let error = wish(&body).expect_err(&body.to_string());
            let envelope: Value = serde_json::from_slice(&error.envelope("id")).unwrap();
            assert_eq!(envelope["error"]["details"]["field"], field, "{body}");
        }
    }
}
