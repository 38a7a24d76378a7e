//! Every code an error can carry, with its status.
//!
//! Source of the list: the product specification, `10-node`, HTTP API, and `15-api`, Errors.

use http::StatusCode;

/// The code of an error, as clients and the OpenAPI document see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// A part of the request cannot be taken.
    ValidationError,
    /// No token, or one that does not hold.
    Unauthorized,
    /// The caller's role does not allow it.
    Forbidden,
    /// No such path or thing.
    NotFound,
    /// The path has other methods.
    MethodNotAllowed,
    /// The element's mode does not allow it.
    ModeNotAllowed,
    /// The bytes are sealed.
    FileArchived,
    /// Retention or a hold stands.
    RetentionActive,
    /// There is no such step of mode, or its phases come in the wrong order.
    InvalidTransition,
    /// A step back that nobody confirmed.
    ConfirmationRequired,
    /// A job of this kind runs.
    JobInProgress,
    /// Written by a newer version.
    AttrNewer,
    /// The client stopped sending.
    RequestTimeout,
    /// An `If-…` header does not hold.
    PreconditionFailed,
    /// A file over the limit.
    FileTooLarge,
    /// Any other body over the limit.
    BodyTooLarge,
    /// The path and query are too long.
    UriTooLong,
    /// A content type this route does not read.
    UnsupportedMediaType,
    /// No requested range lies within the file.
    InvalidRange,
    /// An `Expect` other than `100-continue`.
    ExpectationFailed,
    /// The data has another checksum than announced.
    ChecksumMismatch,
    /// Too much at once.
    TooManyRequests,
    /// The head is too large.
    HeadersTooLarge,
    /// A mode change is on its way.
    TransitionInProgress,
    /// Another node writes.
    NotMaster,
    /// The catalog does not answer.
    DatabaseUnavailable,
    /// The storage does not answer.
    StorageUnavailable,
    /// The node starts, or settles what was interrupted.
    Recovering,
    /// It may have happened.
    OutcomeUnknown,
    /// No space.
    StorageFull,
    /// A defect.
    InternalError,
    /// An attr file cannot be read.
    AttrInvalid,
    /// A transaction that settling could not decide.
    CacheInconsistent,
}

impl Code {
    /// The status it is sent with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::ValidationError => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ModeNotAllowed
            | Self::FileArchived
            | Self::RetentionActive
            | Self::InvalidTransition
            | Self::ConfirmationRequired
            | Self::JobInProgress
            | Self::AttrNewer => StatusCode::CONFLICT,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::FileTooLarge | Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidRange => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::ChecksumMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TransitionInProgress
            | Self::NotMaster
            | Self::DatabaseUnavailable
            | Self::StorageUnavailable
            | Self::Recovering
            | Self::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
            Self::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::InternalError | Self::AttrInvalid | Self::CacheInconsistent => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The name clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ValidationError => "VALIDATION_ERROR",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::ModeNotAllowed => "MODE_NOT_ALLOWED",
            Self::FileArchived => "FILE_ARCHIVED",
            Self::RetentionActive => "RETENTION_ACTIVE",
            Self::InvalidTransition => "INVALID_TRANSITION",
            Self::ConfirmationRequired => "CONFIRMATION_REQUIRED",
            Self::JobInProgress => "JOB_IN_PROGRESS",
            Self::AttrNewer => "ATTR_NEWER",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FileTooLarge => "FILE_TOO_LARGE",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::UriTooLong => "URI_TOO_LONG",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::InvalidRange => "INVALID_RANGE",
            Self::ExpectationFailed => "EXPECTATION_FAILED",
            Self::ChecksumMismatch => "CHECKSUM_MISMATCH",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::HeadersTooLarge => "HEADERS_TOO_LARGE",
            Self::TransitionInProgress => "TRANSITION_IN_PROGRESS",
            Self::NotMaster => "NOT_MASTER",
            Self::DatabaseUnavailable => "DATABASE_UNAVAILABLE",
            Self::StorageUnavailable => "STORAGE_UNAVAILABLE",
            Self::Recovering => "RECOVERING",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::StorageFull => "STORAGE_FULL",
            Self::InternalError => "INTERNAL_ERROR",
            Self::AttrInvalid => "ATTR_INVALID",
            Self::CacheInconsistent => "CACHE_INCONSISTENT",
        }
    }

    /// After how many seconds it is worth to try again, where that is known.
    pub const fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::TooManyRequests | Self::TransitionInProgress => Some(1),
            Self::NotMaster | Self::Recovering | Self::OutcomeUnknown => Some(2),
            Self::DatabaseUnavailable | Self::StorageUnavailable => Some(5),
            _ => None,
        }
    }
}
