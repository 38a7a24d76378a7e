//! What the other rooms report, as errors of the API.

use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use serde_json::Value;
use storage_element_crds::Mode;

use super::{ApiError, Code};
use crate::catalog::CatalogError;
use crate::element::ModeError;
use crate::files::FileError;
use crate::jobs::{CancelError, JobRequest, StartError};
use crate::security::TokenError;
use crate::settling::SettleError;

const DATABASE: &str =
    "the database does not answer: files can still be read by id, everything else comes back with it";
const STORAGE: &str = "the storage does not answer, or takes no writes: try again later, or tell whoever runs the node";

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        let message = error.to_string();
        match error {
            FileError::Invalid { field, .. } => Self::invalid(field, message),
            FileError::NotFound(_) => Self::new(Code::NotFound, message),
            FileError::ModeNotAllowed { mode, operation } => Self::new(Code::ModeNotAllowed, message)
                .detail("mode", mode.as_str())
                .detail("operation", operation.as_str()),
            FileError::Archived(_) => Self::new(Code::FileArchived, message).detail("mode", "ar"),
            FileError::RetentionActive { until, legal_hold, .. } => Self::new(Code::RetentionActive, message)
                .detail("retention_until", until.map_or(Value::Null, |until| until.to_string().into()))
                .detail("legal_hold", legal_hold),
            FileError::PreconditionFailed(_) => Self::new(Code::PreconditionFailed, message),
            FileError::AttrNewer(_) => Self::new(Code::AttrNewer, message),
            FileError::TooLarge { limit } => Self::file_too_large(limit),
            FileError::ChecksumMismatch { expected, actual } => {
                Self::new(Code::ChecksumMismatch, message).detail("expected", expected).detail("actual", actual)
            }
            FileError::StorageFull(_) => Self::new(
                Code::StorageFull,
                "the storage has no room for this file: files can be read, described and deleted, not added",
            )
            .logged(message),
            FileError::TransitionInProgress => Self::new(Code::TransitionInProgress, message),
            FileError::NotMaster(_) => {
                Self::new(Code::NotMaster, "this node is not the one that writes: try again shortly").logged(message)
            }
            FileError::Recovering(_) => Self::new(Code::Recovering, message),
            FileError::OutcomeUnknown { tx, .. } => Self::new(
                Code::OutcomeUnknown,
                format!("whether transaction {tx} happened is not known yet: look at the file, or repeat the request"),
            )
            .detail("transaction_id", tx.to_string())
            .logged(message),
            FileError::DatabaseUnavailable(_) => Self::new(Code::DatabaseUnavailable, DATABASE).logged(message),
            FileError::StorageUnavailable(_) => Self::new(Code::StorageUnavailable, STORAGE).logged(message),
            FileError::AttrInvalid { file_id, .. } => Self::new(
                Code::AttrInvalid,
                format!("the description of file {file_id} is damaged: whoever runs the node has to look at it"),
            )
            .logged(message),
            FileError::CacheInconsistent { tx, .. } => {
                Self::new(Code::CacheInconsistent, message).detail("transaction_id", tx.to_string())
            }
            FileError::TooMany(_) => Self::new(Code::TooManyRequests, message),
            FileError::Internal(log) => Self::internal(log),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        FileError::from(error).into()
    }
}

impl From<SettleError> for ApiError {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::NotFound(_) => Self::new(Code::NotFound, error.to_string()),
            SettleError::NotNow(reason) => Self::new(Code::Recovering, reason),
            SettleError::NotMaster => Self::new(Code::NotMaster, error.to_string()),
            SettleError::Catalog(error) => error.into(),
            SettleError::Storage(error) => FileError::from(error).into(),
        }
    }
}

impl From<ModeError> for ApiError {
    fn from(error: ModeError) -> Self {
        let message = error.to_string();
        match error {
            ModeError::Invalid(_) => Self::invalid("transition_id", message),
            ModeError::InvalidTransition { attempt, .. } => {
                let error = Self::new(Code::InvalidTransition, message);
                match attempt {
                    Some(attempt) => error.detail("attempt", attempt),
                    None => error,
                }
            }
            ModeError::ConfirmationRequired { from, to } => {
                Self::new(Code::ConfirmationRequired, message).detail("from", from.as_str()).detail("to", to.as_str())
            }
            ModeError::InProgress(_) => Self::new(Code::TransitionInProgress, message),
            ModeError::Recovering => Self::new(Code::Recovering, message),
            ModeError::NotMaster => Self::new(Code::NotMaster, message),
            ModeError::Catalog(error) => error.into(),
            ModeError::Storage(error) => FileError::from(error).into(),
            ModeError::OutcomeUnknown(_) => Self::new(
                Code::OutcomeUnknown,
                "whether the mode has changed is not settled yet: look at GET /api/v1/admin/mode, then repeat the request",
            )
            .logged(message),
        }
    }
}

impl From<CancelError> for ApiError {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Elsewhere(_) => Self::new(Code::NotMaster, error.to_string()),
            CancelError::Catalog(error) => error.into(),
        }
    }
}

impl ApiError {
    /// A job that was not begun.
    pub fn not_begun(error: StartError, wish: JobRequest, mode: Mode) -> Self {
        let (message, kind) = (error.to_string(), wish.kind().as_str());
        match error {
            StartError::InProgress(running) => {
                Self::new(Code::JobInProgress, format!("a {kind} job is running: wait for its end, or cancel it"))
                    .detail("job_id", running.map_or(Value::Null, |id| id.to_string().into()))
            }
            StartError::ModeRefuses => Self::new(
                Code::ModeNotAllowed,
                format!("mode {mode} does not allow this: nothing is removed or repaired"),
            )
            .detail("mode", mode.as_str()),
            StartError::NotMaster => Self::new(Code::NotMaster, message),
            StartError::Catalog(error) => error.into(),
            StartError::Defect(_) => Self::internal(message),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        Self::new(Code::Unauthorized, error.message)
            .detail("reason", error.reason.as_str())
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(error.reason.challenge()))
    }
}
