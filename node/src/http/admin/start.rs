//! `POST /admin/cache/rebuild`, `/admin/cache/verify` and `/admin/gc`: long work, begun as a job.

use axum::extract::{Request, State};
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};

use super::jobs::Job;
use crate::http::audit::Trail;
use crate::http::caller::AsAdmin;
use crate::http::error::{ApiError, ApiResult};
use crate::http::forward::{AtMaster, AtMasterByHead};
use crate::http::object::Members;
use crate::http::reply;
use crate::http::state::AppState;
use crate::jobs::JobRequest;
use crate::model::Timestamp;

/// Make the cache again from the attr files, in place: reads and writes go on.
#[utoipa::path(
    post, path = "/api/v1/admin/cache/rebuild", tag = "admin", operation_id = "startRebuild",
    responses((status = 202, description = "It has begun", body = Job, headers(("Location" = String)))),
)]
pub async fn rebuild(State(app): State<AppState>, _caller: AsAdmin, _request: AtMasterByHead) -> ApiResult<Response> {
    begin(&app, JobRequest::Rebuild).await
}

/// Compare every attr file with its cached row and its data; `repair` corrects rows, never data.
#[utoipa::path(
    post, path = "/api/v1/admin/cache/verify", tag = "admin", operation_id = "startVerify",
    request_body(content = Option<crate::http::schema::VerifyWish>),
    responses((status = 202, description = "It has begun", body = Job, headers(("Location" = String)))),
)]
pub async fn verify(State(app): State<AppState>, _caller: AsAdmin, AtMaster(request): AtMaster) -> ApiResult<Response> {
    with_body(&app, request, verify_wish).await
}

/// Delete expired files, remove what was deleted long enough ago, and old rows of the log.
#[utoipa::path(
    post, path = "/api/v1/admin/gc", tag = "admin", operation_id = "startGc",
    request_body(content = Option<crate::http::schema::GcWish>),
    responses((status = 202, description = "It has begun", body = Job, headers(("Location" = String)))),
)]
pub async fn gc(State(app): State<AppState>, _caller: AsAdmin, AtMaster(request): AtMaster) -> ApiResult<Response> {
    with_body(&app, request, gc_wish).await
}

async fn with_body(
    app: &AppState,
    request: Request,
    read: impl FnOnce(Members) -> ApiResult<JobRequest>,
) -> ApiResult<Response> {
    let limits = &app.front().limits;
    Members::expect(&request, limits)?;
    let (parts, body) = request.into_parts();
    let wish = read(Members::read(body, limits).await?)?;
    Trail::note_details(&parts.extensions, format!("{wish:?}"));
    begin(app, wish).await
}

async fn begin(app: &AppState, wish: JobRequest) -> ApiResult<Response> {
    let services = app.services()?;
    let view = services.element.view();
    let node = services.element.election().node();
    let row = services.jobs.start(wish, &node).await.map_err(|error| ApiError::not_begun(error, wish, view.mode))?;
    let mut response = reply::json_with(StatusCode::ACCEPTED, &Job::from(&row))?;
    let url = HeaderValue::try_from(format!("/api/v1/admin/jobs/{}", row.job_id));
    response.headers_mut().insert(LOCATION, url.map_err(|error| ApiError::internal(error.to_string()))?);
    Ok(response)
}

fn verify_wish(mut body: Members) -> ApiResult<JobRequest> {
    let since = match body.text("since", 64)? {
        None => None,
        Some(text) => Some(
            Timestamp::parse(&text)
                .ok_or_else(|| ApiError::invalid("since", "since is a time such as 2026-11-25T00:00:00Z"))?,
        ),
    };
    let wish = JobRequest::Verify {
        deep: body.flag("deep")?,
        repair: body.flag("repair")?,
        bytes_per_second: body.number("bytes_per_second", 0..=u64::MAX)?.unwrap_or(0),
        since,
    };
    body.end("deep, repair, bytes_per_second and since")?;
    Ok(wish)
}

fn gc_wish(mut body: Members) -> ApiResult<JobRequest> {
    let wish = JobRequest::Gc { orphans: body.flag("orphans")? };
    body.end("orphans")?;
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::{gc_wish, verify_wish};
    use crate::http::object::Members;
    use crate::jobs::JobRequest;

    #[test]
    fn what_is_left_out_is_not_wished() {
        let wish = verify_wish(Members::of("{}")).unwrap();
        assert!(matches!(wish, JobRequest::Verify { deep: false, repair: false, bytes_per_second: 0, since: None }));
        let all = r#"{"deep":true,"repair":true,"bytes_per_second":9,"since":"2026-11-25T00:00:00Z"}"#;
        let wish = verify_wish(Members::of(all)).unwrap();
        assert!(matches!(wish, JobRequest::Verify { deep: true, repair: true, bytes_per_second: 9, since: Some(_) }));
        assert!(matches!(gc_wish(Members::of(r#"{"orphans":true}"#)).unwrap(), JobRequest::Gc { orphans: true }));
        for bad in [r#"{"deep":1}"#, r#"{"since":"yesterday"}"#, r#"{"bytes_per_second":-1}"#, r#"{"orphans":true}"#] {
            assert!(verify_wish(Members::of(bad)).is_err(), "{bad}");
        }
        assert!(gc_wish(Members::of(r#"{"orphan":true}"#)).is_err());
    }
}
