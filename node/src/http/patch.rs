//! `PATCH /files/{id}`: a merge patch (RFC 7396) over what people say about a file.
//!
//! Source of the rules: the product specification, `15-api`, Update.

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use super::body::{expect_json, read_whole};
use super::caller::AsUser;
use super::delete::precheck;
use super::error::{ApiError, ApiResult};
use super::fields;
use super::forward::AtMaster;
use super::metadata;
use super::path::file_id;
use super::state::AppState;
use crate::files::{Patch, RetentionWish};
use crate::model::{Attr, Timestamp};

/// What a patch may be sent as.
const ACCEPTED: [&str; 2] = ["application/merge-patch+json", "application/json"];

/// Change a file's description, version, tags, metadata or retention. `null` removes.
///
/// A patch that changes nothing makes no revision.
#[utoipa::path(
    patch, path = "/api/v1/files/{id}", tag = "files", operation_id = "updateFile",
    params(super::schema::FileIdParam, super::schema::WriteConditions),
    request_body(content(
        (super::schema::FilePatch = "application/merge-patch+json"),
        (super::schema::FilePatch = "application/json"),
    )),
    responses((
        status = 200, description = "The metadata as it is now", body = metadata::FileMetadata,
        headers(("ETag" = String), ("Last-Modified" = String))
    )),
)]
pub async fn patch(
    State(app): State<AppState>,
    AsUser(caller): AsUser,
    AtMaster(request): AtMaster,
) -> ApiResult<Response> {
    let limits = &app.front().limits;
    let (parts, body) = request.into_parts();
    expect_json(&parts.headers, &ACCEPTED, limits.body_bytes)?;
    let id = file_id(&parts.uri)?;
    let body = read_whole(body, limits.body_bytes, limits.stall_timeout).await?;
    let patch = read(&body)?;
    let check = |attr: &Attr| precheck(&parts.method, &parts.headers, attr);
    let row = app.services()?.files.update(&caller, id, patch, &check).await?;
    metadata::answer(&row)
}

/// Reads a patch.
fn read(body: &[u8]) -> ApiResult<Patch> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid("body", format!("the body is not JSON: {error}")))?;
    let Value::Object(members) = value else {
        return Err(ApiError::invalid("body", "a merge patch is a JSON object, such as {\"description\": \"…\"}"));
    };
    let mut patch = Patch::default();
    for (name, value) in members {
        match name.as_str() {
            "description" => patch.description = Some(text("description", value, fields::DESCRIPTION_LIMIT)?),
            "version" => patch.version = Some(text("version", value, fields::VERSION_LIMIT)?),
            "tags" => patch.tags = Some(if value.is_null() { Vec::new() } else { fields::tags(value)? }),
            "metadata" => patch.metadata = Some(merge(value)?),
            "retention_until" | "retention_days" => {
                let wish = if name == "retention_until" { until(&value)? } else { days(&value)? };
                if patch.retention.replace(wish).is_some() {
                    return Err(ApiError::invalid(name, "give retention_until or retention_days, not both"));
                }
            }
            _ => return Err(refused(&name)),
        }
    }
    Ok(patch)
}

fn text(field: &str, value: Value, limit: usize) -> ApiResult<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => fields::text(field, text, limit).map(Some),
        _ => Err(ApiError::invalid(field, format!("{field} is a string, or null to remove it"))),
    }
}

fn merge(value: Value) -> ApiResult<Option<Map<String, Value>>> {
    if value.is_null() { Ok(None) } else { fields::metadata(value).map(Some) }
}

fn until(value: &Value) -> ApiResult<RetentionWish> {
    match value {
        Value::Null => Some(RetentionWish::Remove),
        Value::String(text) => Timestamp::parse(text).map(RetentionWish::Until),
        _ => None,
    }
    .ok_or_else(|| {
        ApiError::invalid("retention_until", "retention_until is a time such as 2036-01-01T00:00:00Z, or null")
    })
}

fn days(value: &Value) -> ApiResult<RetentionWish> {
    match value {
        Value::Null => Ok(RetentionWish::Remove),
        _ => fields::retention_days(value.as_u64()).map(RetentionWish::Days),
    }
}

/// Names what cannot be changed, and says whether it exists.
fn refused(name: &str) -> ApiError {
    const CHANGEABLE: &str = "description, version, tags, metadata, retention_until and retention_days";
    const IMMUTABLE: [&str; 17] = [
        "file_id",
        "original_filename",
        "storage_filename",
        "storage_path",
        "file_size",
        "content_type",
        "checksum",
        "created_at",
        "updated_at",
        "created_by_id",
        "created_by_username",
        "created_by_fullname",
        "revision",
        "status",
        "deleted_at",
        "legal_hold",
        "schema_version",
    ];
    let known = IMMUTABLE.contains(&name);
    let shown: String = name.chars().take(64).collect();
    let what = if known { "cannot be changed" } else { "is not a field of a file" };
    let message = format!("{shown} {what}: a patch may have {CHANGEABLE}");
    ApiError::invalid(shown, message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;
    use crate::files::{Patch, RetentionWish};
    use crate::model::Timestamp;

    #[test]
    fn null_removes_and_what_is_left_out_stays() {
        let patch = |value: serde_json::Value| read(value.to_string().as_bytes()).unwrap();
        assert_eq!(patch(json!({})), Patch::default());
        let all = patch(json!({"description": null, "version": "2", "tags": null, "metadata": {"a": null},
            "retention_until": "2036-01-01T00:00:00Z"}));
        assert_eq!(all.description, Some(None));
        assert_eq!(all.version, Some(Some("2".to_owned())));
        assert_eq!(all.tags, Some(vec![]));
        assert_eq!(all.metadata.unwrap().unwrap()["a"], json!(null));
        let until = Timestamp::parse("2036-01-01T00:00:00Z").unwrap();
        assert_eq!(all.retention, Some(RetentionWish::Until(until)));
        assert_eq!(patch(json!({"retention_days": 30})).retention, Some(RetentionWish::Days(30)));
        assert_eq!(patch(json!({"retention_days": null})).retention, Some(RetentionWish::Remove));
        assert_eq!(patch(json!({"metadata": null})).metadata, Some(None));
    }

    #[test]
    fn what_cannot_be_changed_is_named() {
        for (body, field) in [
            (json!([]), "body"),
            (json!({"checksum": "x"}), "checksum"),
            (json!({"colour": "red"}), "colour"),
            (json!({"description": 1}), "description"),
            (json!({"description": "x".repeat(1001)}), "description"),
            (json!({"version": "x".repeat(65)}), "version"),
            (json!({"tags": "a"}), "tags"),
            (json!({"metadata": [1]}), "metadata"),
            (json!({"metadata": {"a": "\u{0}"}}), "metadata"),
            (json!({"retention_until": "2036"}), "retention_until"),
            (json!({"retention_days": 0}), "retention_days"),
            (json!({"retention_days": 1.5}), "retention_days"),
            (json!({"retention_days": 1, "retention_until": null}), "retention_until"),
        ] {
            let error = read(body.to_string().as_bytes()).expect_err(&body.to_string());
            let envelope: serde_json::Value = serde_json::from_slice(&error.envelope("id")).unwrap();
            assert_eq!(envelope["error"]["details"]["field"], field, "{body}");
        }
        assert!(read(b"{\"a\":").is_err());
        assert!(read(b"").is_err());
    }
}
