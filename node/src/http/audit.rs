//! Audit lines of the API's writes: one for each, done or refused, whoever refused it.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::Request;
use http::{Extensions, Method};
use uuid::Uuid;

use super::error::{ApiError, Code};
use super::path::file_id;
use super::server::ClientAddress;
use crate::security::{AuditLine, Caller, Outcome};

/// What the handler finds out about a write while it runs.
#[derive(Clone, Default)]
pub struct Trail(Arc<Found>);

#[derive(Default)]
struct Found {
    caller: OnceLock<Caller>,
    file_id: OnceLock<Uuid>,
    details: OnceLock<String>,
    passed_on: OnceLock<()>,
}

impl Trail {
    /// Notes whose token was accepted.
    pub fn note_caller(extensions: &Extensions, caller: &Caller) {
        if let Some(trail) = extensions.get::<Self>() {
            let _ = trail.0.caller.set(caller.clone());
        }
    }

    /// Notes what else matters, such as the reason of a hold. Never a token.
    pub fn note_details(extensions: &Extensions, details: String) {
        if let Some(trail) = extensions.get::<Self>() {
            let _ = trail.0.details.set(details);
        }
    }

    /// Notes that the master has answered: the line is its own to write.
    pub fn note_passed_on(extensions: &Extensions) {
        if let Some(trail) = extensions.get::<Self>() {
            let _ = trail.0.passed_on.set(());
        }
    }

    /// Notes which file it is about.
    pub fn note_file(&self, id: Uuid) {
        let _ = self.0.file_id.set(id);
    }
}

/// A write that has begun. Its line is written when it ends, or when it is dropped because the client has gone.
pub struct Audit {
    action: &'static str,
    remote: Option<IpAddr>,
    trail: Trail,
    ended: bool,
}

/// The name of a write in audit lines; `None` for what writes nothing.
fn action(method: &Method, route: &str) -> Option<&'static str> {
    Some(match (method.as_str(), route) {
        ("POST", "/api/v1/files/upload") => "upload",
        ("PATCH", "/api/v1/files/{id}") => "update",
        ("DELETE", "/api/v1/files/{id}") => "delete",
        ("PUT", "/api/v1/files/{id}/legal-hold") => "hold",
        ("DELETE", "/api/v1/files/{id}/legal-hold") => "lift_hold",
        ("PUT", "/api/v1/admin/mode") => "mode_change",
        ("POST", "/api/v1/admin/cache/rebuild") => "rebuild",
        ("POST", "/api/v1/admin/cache/verify") => "verify",
        ("POST", "/api/v1/admin/gc") => "gc",
        ("DELETE", "/api/v1/admin/jobs/{id}") => "cancel_job",
        ("POST", "/api/v1/admin/wal/{tx}/retry") => "wal_retry",
        _ => return None,
    })
}

/// Begins the audit of a request if it is a write, and lets the handler note what it finds out.
pub fn begin(route: &str, request: &mut Request) -> Option<Audit> {
    let action = action(request.method(), route)?;
    let remote = request.extensions().get::<ClientAddress>().map(|client| client.0.ip());
    let trail = Trail::default();
    if let Ok(id) = file_id(request.uri()) {
        trail.note_file(id);
    }
    request.extensions_mut().insert(trail.clone());
    Some(Audit { action, remote, trail, ended: false })
}

impl Audit {
    /// It has ended, with this error if it was not done.
    pub fn end(mut self, error: Option<&ApiError>) {
        if self.trail.0.passed_on.get().is_some() {
            self.ended = true;
            return;
        }
        let outcome = match error {
            None => Outcome::Done,
            Some(error) if error.code() == Code::OutcomeUnknown => Outcome::Unknown,
            Some(error) if error.status().is_server_error() => Outcome::Failed,
            Some(_) => Outcome::Refused,
        };
        self.write(outcome, error.map(|error| error.code().as_str()));
    }

    fn write(&mut self, outcome: Outcome, code: Option<&str>) {
        self.ended = true;
        let found = &self.trail.0;
        AuditLine {
            action: self.action,
            caller: found.caller.get(),
            file_id: found.file_id.get().copied(),
            remote: self.remote,
            outcome,
            code,
            details: found.details.get().map(String::as_str),
        }
        .write();
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if !self.ended {
            self.write(Outcome::Unknown, None);
        }
    }
}
