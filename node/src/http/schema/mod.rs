//! What the OpenAPI document says about requests, and names of fixed values. These types describe; nothing reads them.
#![allow(
    dead_code,
    clippy::struct_field_names,
    reason = "their fields are read by the generator of the OpenAPI document only"
)]

mod admin;
mod names;
mod params;

use serde_json::Value;
use utoipa::ToSchema;

pub use admin::*;
pub use names::*;
pub use params::*;

/// Any error, of any route.
#[derive(ToSchema)]
pub struct ErrorEnvelope {
    error: ErrorBody,
}

/// What went wrong.
#[derive(ToSchema)]
pub struct ErrorBody {
    /// For programs, such as `NOT_FOUND`.
    #[schema(example = "NOT_FOUND", pattern = "^[A-Z_]+$")]
    code: String,
    /// For people: what happened, to which thing, what to do next.
    message: String,
    /// For programs: `field`, `mode`, `reason`, `limit`, `retention_until`, … depending on the code.
    #[schema(value_type = Object, additional_properties = true)]
    details: Value,
    /// The request's id, also in the header `X-Request-Id` and in the log.
    request_id: String,
}

/// The form of an upload: exactly one `file`, with a name; each other field at most once, before or after it.
#[derive(ToSchema)]
pub struct UploadForm {
    /// The data.
    #[schema(value_type = String, format = Binary, content_media_type = "application/octet-stream")]
    file: Vec<u8>,
    /// What it is, in words.
    #[schema(nullable = false, max_length = 1000, example = "Contract 17 with the city")]
    description: Option<String>,
    /// The sender's own version.
    #[schema(nullable = false, max_length = 64, example = "2")]
    version: Option<String>,
    /// A JSON array of at most 50 strings of 1 to 64 characters.
    #[schema(nullable = false, example = "[\"contract\", \"2026\"]")]
    tags: Option<String>,
    /// A JSON object.
    #[schema(nullable = false, example = "{\"customer\": 17}")]
    metadata: Option<String>,
    /// Keep it at least so many days.
    #[schema(nullable = false, minimum = 1, maximum = 36500)]
    retention_days: Option<u32>,
    /// The SHA-256 that the data must have, in hex.
    #[schema(nullable = false, pattern = "^[0-9A-Fa-f]{64}$")]
    checksum: Option<String>,
}

/// A merge patch (RFC 7396): `null` removes, what is left out stays.
#[derive(ToSchema, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePatch {
    #[schema(max_length = 1000, example = "Contract 17, signed")]
    description: Option<String>,
    #[schema(max_length = 64)]
    version: Option<String>,
    /// Replaces all tags.
    #[schema(max_items = 50, example = json!(["contract", "signed"]))]
    tags: Option<Vec<String>>,
    /// Merged in depth.
    #[schema(value_type = Option<Object>, additional_properties = true)]
    metadata: Option<Value>,
    /// Keep it at least until then. Not together with `retention_days`.
    #[schema(format = DateTime)]
    retention_until: Option<String>,
    /// Keep it at least so many days from now. Not together with `retention_until`.
    #[schema(minimum = 1, maximum = 36500)]
    retention_days: Option<u32>,
}

/// Bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct FileBytes(Vec<u8>);

/// One value of the configuration.
#[derive(ToSchema)]
pub struct ConfigurationItem {
    #[schema(example = "server.listen")]
    key: String,
    /// Any JSON value; masked if it is a secret.
    value: Value,
    source: SourceName,
}

/// Ids of the loaded keys.
#[derive(ToSchema)]
pub struct KeyIds {
    issuer: Vec<String>,
    operator: Vec<String>,
}

/// A transaction of the write-ahead log.
#[derive(ToSchema)]
pub struct Transaction {
    transaction_id: uuid::Uuid,
    operation_type: OperationTypeName,
    status: TransactionStatusName,
    #[schema(required)]
    file_id: Option<uuid::Uuid>,
    /// What settling needs.
    operation_data: Value,
    /// Why it failed or was undone.
    #[schema(required)]
    error_message: Option<String>,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(required, format = DateTime)]
    completed_at: Option<String>,
    #[schema(required)]
    duration_ms: Option<i64>,
    /// Who asked for it.
    #[schema(required)]
    user_id: Option<String>,
    #[schema(minimum = 0)]
    epoch: u64,
}

/// Any JSON object.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub struct AnyObject(Value);
