//! What a request to the store came to when it did not succeed.

use std::io;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStreamError;

use crate::storage::StorageError;

/// Why a request did not succeed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    said: String,
}

/// What can be concluded from a request that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 404: the object or the upload is not there.
    Missing,
    /// 412: the condition does not hold. Nothing was changed.
    Unmet,
    /// 409: another conditional write was under way. Nothing was changed; ask again.
    Busy,
    /// 416: the object ends before the range begins.
    OutOfRange,
    /// 501: the store does not know what was asked.
    Unknown,
    /// No room. Nothing was changed.
    Full,
    /// Any other refusal. Nothing was changed.
    Refused,
    /// No answer, or one that says nothing: what was asked may have happened, or may still happen.
    Open,
}

impl Failure {
    #[allow(clippy::needless_pass_by_value, reason = "`map_err` gives it by value")]
    pub(super) fn of<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
        let kind = match (&error, status, code) {
            (SdkError::ConstructionFailure(_), ..) => Kind::Refused,
            (_, _, "QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull") | (_, Some(507), _) => Kind::Full,
            // Only of what was named: a bucket or a user that is gone says nothing about a file. HEAD cannot tell.
            (_, Some(404), "NoSuchKey" | "NotFound" | "NoSuchUpload" | "NoSuchVersion") => Kind::Missing,
            (_, Some(412), _) => Kind::Unmet,
            (_, Some(409), _) => Kind::Busy,
            (_, Some(416), _) => Kind::OutOfRange,
            (_, Some(501), _) => Kind::Unknown,
            // A time-out on the store's side is none of our doing; too many requests is an answer of the door.
            (_, Some(status), code) if (400..500).contains(&status) && code != "RequestTimeout" => Kind::Refused,
            _ => Kind::Open,
        };
        let said = match error.as_service_error() {
            Some(service) => {
                let code = service.code().unwrap_or("no code");
                let message = service.message().unwrap_or("no message");
                format!("the store answered {} ({code}: {message})", status.unwrap_or_default())
            }
            None => format!("the store did not answer: {}", DisplayErrorContext(&error)),
        };
        Self { kind, said }
    }

    pub(super) fn new(kind: Kind, said: impl Into<String>) -> Self {
        Self { kind, said: said.into() }
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// The failure as callers of a storage see it.
    pub(super) fn at(self, action: &'static str, path: impl Into<String>) -> StorageError {
        let path = path.into();
        match self.kind {
            Kind::Full => StorageError::Full { action, path },
            Kind::Open => {
                StorageError::Io { action, path, source: io::Error::new(io::ErrorKind::NotConnected, self.said) }
            }
            _ => StorageError::Io { action, path, source: io::Error::other(self.said) },
        }
    }
}

impl From<ByteStreamError> for Failure {
    fn from(error: ByteStreamError) -> Self {
        Self::new(Kind::Open, format!("the store's answer broke off: {}", DisplayErrorContext(&error)))
    }
}
