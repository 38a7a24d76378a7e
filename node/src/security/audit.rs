//! The audit trail: one line for every write, done or refused: who, what, which file, from where, outcome.

use std::net::IpAddr;

use uuid::Uuid;

use super::Caller;

/// The logger of audit lines. They are written whatever `logging.level` says, unless it names this logger.
pub const AUDIT_TARGET: &str = "audit";

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Not done: the caller may not, or the request cannot be.
    Refused,
    /// Not done: the node could not.
    Failed,
    /// It may have been done; settling finds out.
    Unknown,
}

impl Outcome {
    /// The name in audit lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One audit line.
#[derive(Clone, Copy, Debug)]
pub struct AuditLine<'a> {
    /// What was asked for, such as `upload`, `delete`, `mode_change`.
    pub action: &'static str,
    /// Who asked; `None` when the token was refused.
    pub caller: Option<&'a Caller>,
    /// Which file, if it is about one and it is known.
    pub file_id: Option<Uuid>,
    /// From where.
    pub remote: Option<IpAddr>,
    /// How it ended.
    pub outcome: Outcome,
    /// The code of the error, if there was one.
    pub code: Option<&'a str>,
    /// What else matters, such as the reason of a hold. Never a token.
    pub details: Option<&'a str>,
}

impl AuditLine<'_> {
    /// Writes the line. The request it belongs to comes from the span around it.
    pub fn write(&self) {
        tracing::info!(
            target: AUDIT_TARGET,
            action = self.action,
            user_id = self.caller.map(|caller| caller.id.as_str()),
            username = self.caller.map(|caller| caller.username.as_str()),
            role = self.caller.and_then(|caller| caller.role).map(super::Role::as_str),
            file_id = self.file_id.map(tracing::field::display),
            remote = self.remote.map(tracing::field::display),
            outcome = self.outcome.as_str(),
            code = self.code,
            details = self.details,
            "{} {}",
            self.action,
            self.outcome.as_str()
        );
    }
}
