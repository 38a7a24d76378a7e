//! What every route has in common: errors, the token, `HEAD`.

use serde_json::json;
use utoipa::Modify;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Type};

/// Adds to each operation every error it can answer with.
pub struct Complete;

impl Modify for Complete {
    fn modify(&self, document: &mut OpenApi) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("JWT".to_owned());
        scheme.description = Some("RS256, with the roles user, operator or admin".to_owned());
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(scheme));
        for (path, item) in &mut document.paths.paths {
            let PathItem { get, put, post, delete, patch, .. } = item;
            for operation in [get, put, post, delete, patch].into_iter().flatten() {
                for status in errors(path, operation) {
                    add_error(operation, status);
                }
            }
            if matches!(path.as_str(), "/api/v1/files/{id}" | "/api/v1/files/{id}/download") {
                item.head = item.get.as_ref().map(head);
            }
        }
    }
}

/// The statuses of the errors an operation can answer with.
fn errors(path: &str, operation: &Operation) -> Vec<u16> {
    let mut statuses = vec![400, 414, 417, 431, 500];
    let is_open = operation.security.as_ref().is_some_and(|security| !security.is_empty());
    if path.starts_with("/api/") {
        statuses.push(503);
        if !is_open {
            statuses.extend([401, 403]);
        }
    }
    statuses.extend_from_slice(match operation.operation_id.as_deref().unwrap_or_default() {
        "uploadFile" => &[408, 409, 413, 415, 422, 429, 507],
        "getFile" => &[404, 412],
        "deleteFile" => &[404, 409, 412, 507],
        "downloadFile" => &[404, 409, 412, 416],
        "updateFile" | "setLegalHold" | "liftLegalHold" => &[404, 408, 409, 412, 413, 415, 507],
        "changeMode" => &[408, 409, 413, 415, 507],
        "startRebuild" => &[409],
        "startVerify" | "startGc" => &[408, 409, 413, 415],
        "retryTransaction" | "getJob" | "cancelJob" | "getDocsFile" => &[404],
        _ => &[],
    });
    statuses
}

fn add_error(operation: &mut Operation, status: u16) {
    let (description, code) = meaning(status);
    let example = json!({"error": {"code": code, "message": "…", "details": {}, "request_id": "0199c0de"}});
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorEnvelope"))).example(Some(example)).build();
    let mut response = ResponseBuilder::new().description(description).content("application/json", content);
    let header = match status {
        401 => Some("WWW-Authenticate"),
        429 | 503 => Some("Retry-After"),
        416 => Some("Content-Range"),
        _ => None,
    };
    if let Some(name) = header {
        response = response
            .header(name, HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build());
    }
    operation.responses.responses.insert(status.to_string(), RefOr::T(response.build()));
}

/// What a status means here, and one of its codes.
fn meaning(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("A part of the request cannot be taken: `details.field` names it", "VALIDATION_ERROR"),
        401 => ("No token, or one that does not hold: `details.reason` says which", "UNAUTHORIZED"),
        403 => ("The token's role does not allow this", "FORBIDDEN"),
        404 => ("There is no such thing", "NOT_FOUND"),
        408 => ("The body stood still for too long", "REQUEST_TIMEOUT"),
        409 => ("The mode, a retention, a hold or what is running does not allow this", "MODE_NOT_ALLOWED"),
        412 => ("The file is not in the state the request expects", "PRECONDITION_FAILED"),
        413 => ("The body or the file is larger than allowed", "FILE_TOO_LARGE"),
        414 => ("Path and query are too long", "URI_TOO_LONG"),
        415 => ("This route does not read that content type", "UNSUPPORTED_MEDIA_TYPE"),
        416 => ("No range asked for lies within the file", "INVALID_RANGE"),
        417 => ("Only `Expect: 100-continue` is understood", "EXPECTATION_FAILED"),
        422 => ("The data has another checksum than announced", "CHECKSUM_MISMATCH"),
        429 => ("Too many uploads at once", "TOO_MANY_REQUESTS"),
        431 => ("The head is too large", "HEADERS_TOO_LARGE"),
        503 => ("The node cannot do this now: try again after `Retry-After` seconds", "DATABASE_UNAVAILABLE"),
        507 => ("The storage has no room", "STORAGE_FULL"),
        _ => ("A defect: give the request id to whoever runs the node", "INTERNAL_ERROR"),
    }
}

/// The same as `GET`, without bodies.
fn head(get: &Operation) -> Operation {
    let mut operation = get.clone();
    operation.operation_id =
        operation.operation_id.map(|id| id.replace("getFile", "headFile").replace("downloadFile", "headDownload"));
    // Ranges are defined for GET only.
    operation.responses.responses.retain(|status, _| status != "206" && status != "416");
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.content.clear();
        }
    }
    operation
}
