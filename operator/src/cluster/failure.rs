//! What went wrong with a call to the API server, and what that means for who called.

use std::fmt;

/// A call that failed.
#[derive(Debug)]
pub struct Failure {
    /// What was to be done, such as `apply StatefulSet ns/name`.
    pub what: String,
    /// What became of it.
    pub cause: Cause,
}

/// What became of a call.
#[derive(Debug)]
pub enum Cause {
    /// The server refuses it for what it says (400, 403, 422): it stays refused until a person changes something.
    Refused(String),
    /// The namespace is on its way out.
    NamespaceGone,
    /// It is not there.
    NotFound,
    /// Somebody else was faster.
    Conflict(String),
    /// The server is busy, gone or slow: it may be asked again, and the call may have been carried out.
    Unavailable(String),
}

impl Failure {
    /// Sorts an error of the client.
    pub fn of(what: impl Into<String>, error: &kube::Error) -> Self {
        let cause = match error {
            kube::Error::Api(status) => {
                let message = status.message.clone();
                if message.contains("because it is being terminated") {
                    Cause::NamespaceGone
                } else {
                    match status.code {
                        404 => Cause::NotFound,
                        409 => Cause::Conflict(message),
                        400 | 403 | 405 | 413 | 415 | 422 => Cause::Refused(message),
                        code => Cause::Unavailable(format!("{code} {message}")),
                    }
                }
            }
            error => Cause::Unavailable(with_sources(error)),
        };
        Self { what: what.into(), cause }
    }

    /// No answer in time.
    pub fn timed_out(what: impl Into<String>) -> Self {
        Self { what: what.into(), cause: Cause::Unavailable("no answer in time".to_owned()) }
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: ", self.what)?;
        match &self.cause {
            Cause::Refused(message) | Cause::Conflict(message) | Cause::Unavailable(message) => f.write_str(message),
            Cause::NamespaceGone => f.write_str("its namespace is being deleted"),
            Cause::NotFound => f.write_str("it is not there"),
        }
    }
}

impl std::error::Error for Failure {}
