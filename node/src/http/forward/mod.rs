//! A standby passes writes on to the master, over the peer port: streamed both ways, each byte of the client's body only
//! after the master has asked for it, and never twice.
//!
//! Source of the rules: the product specification, `10-node`, Election, and `20-operator`, Channels and keys.
//!
//! What a client may be told when the hop fails depends on what had left this node. While nothing had that the master
//! can act on, the request has not happened: 503 `NOT_MASTER`, to be sent again. From then on nobody here can know: 503
//! `OUTCOME_UNKNOWN`. The line is drawn before the first byte of a body is taken from the client, and for a request
//! that acts without one before its head is handed over.

mod answer;
mod body;
mod exchange;
mod headers;
mod hop;

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::watch;

use self::body::Passed;
use self::hop::Hop;
use super::arrival::Arrival;
use super::audit::Trail;
use super::error::{ApiError, Code};
use super::limits::Limits;
use super::state::AppState;
use super::tls::MutualTls;
use crate::election::{MasterSeen, Mastership, Role};
use crate::model::PeerAddress;
use crate::telemetry::metrics::{Forwarded, Metrics};

/// How long a master may take for what stands between it and the catalog's own patience before it asks for a body.
const ASK_PATIENCE: Duration = Duration::from_secs(45);
/// How long a master may take to answer once it has all of a request: a large file's last `fsync`, the end of a
/// multipart upload. A mode change waits for running writes on top.
const ANSWER_PATIENCE: Duration = Duration::from_mins(2);
/// How long the answer of a master is still waited for when another has begun its term.
const SUPERSEDED_PATIENCE: Duration = Duration::from_secs(2);

/// A write, on the node that writes. On any other its request goes to the master, and the master's answer takes the
/// place of the handler's. The caller's token and role are judged first (an extractor before this one): bodies of
/// strangers are never passed on.
pub struct AtMaster(pub Request);

/// The same for a write that its head says all of: such a body as it may have is not passed on.
pub struct AtMasterByHead(pub Request);

impl FromRequest<AppState> for AtMaster {
    type Rejection = Response;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Response> {
        here_or_there(request, app, ActsOn::Body).await.map(Self)
    }
}

impl FromRequest<AppState> for AtMasterByHead {
    type Rejection = Response;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, Response> {
        here_or_there(request, app, ActsOn::Head).await.map(Self)
    }
}

/// What a handler needs of a request to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ActsOn {
    Head,
    Body,
}

async fn here_or_there(request: Request, app: &AppState, acts_on: ActsOn) -> Result<Request, Response> {
    // A node that is still starting says so itself, in the order of its checks.
    let Ok(services) = app.services() else { return Ok(request) };
    if services.element.role() != Role::Standby {
        return Ok(request);
    }
    let front = app.front();
    let passed = match &front.forwarder {
        _ if Arrival::of(request.extensions()).is_forwarded => {
            Err(Failure::NotMaster("another node took this one for the master: what it knows is old".to_owned()))
        }
        None => Err(Failure::NotMaster("this node has no peer port to pass writes on through".to_owned())),
        Some(forwarder) => forwarder.pass_on(request, acts_on, &services.mastership, &front.metrics).await,
    };
    Err(passed.unwrap_or_else(|failure| ApiError::from(failure).into_response()))
}

/// How long a part of a hop may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Connecting, with the TLS handshake.
    pub connect: Duration,
    /// Until the master asks for the body, or answers without.
    pub ask: Duration,
    /// Until it answers, from the end of the request on.
    pub answer: Duration,
    /// Without a byte moving: of the body, or of the answer.
    pub stall: Duration,
    /// For the answer of a master whose successor is known.
    pub superseded: Duration,
}

impl Patience {
    /// What goes with the limits of the node's own requests.
    pub fn of(limits: &Limits) -> Self {
        Self {
            connect: limits.header_timeout,
            ask: ASK_PATIENCE,
            answer: ANSWER_PATIENCE + limits.drain_timeout,
            stall: limits.stall_timeout,
            superseded: SUPERSEDED_PATIENCE,
        }
    }
}

/// Passes writes on to the master.
#[derive(Clone)]
pub struct Forwarder {
    tls: MutualTls,
    patience: Patience,
}

/// Why there is no answer of the master's.
#[derive(Debug)]
enum Failure {
    /// It has not happened.
    NotMaster(String),
    /// It may have happened.
    OutcomeUnknown(String),
    /// The client's own fault.
    Client(ApiError),
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotMaster(reason) => {
                Self::new(Code::NotMaster, "this node is not the one that writes: try again shortly").logged(reason)
            }
            Failure::OutcomeUnknown(reason) => Self::new(
                Code::OutcomeUnknown,
                "the request was passed on to the node that writes, and no answer came: look whether it has happened, \
                 or repeat it",
            )
            .logged(reason),
            Failure::Client(error) => error,
        }
    }
}

impl Forwarder {
    /// One that shows `tls`'s certificate.
    pub const fn new(tls: MutualTls, patience: Patience) -> Self {
        Self { tls, patience }
    }

    async fn pass_on(
        &self,
        request: Request,
        acts_on: ActsOn,
        mastership: &Mastership,
        metrics: &Metrics,
    ) -> Result<Response, Failure> {
        let mut counted = Counted { metrics, outcome: Forwarded::Abandoned };
        let result = self.to_master(request, acts_on, mastership).await;
        counted.outcome = match &result {
            Ok(_) => Forwarded::Answered,
            Err(Failure::NotMaster(_)) => Forwarded::NotMaster,
            Err(Failure::OutcomeUnknown(_)) => Forwarded::OutcomeUnknown,
            Err(Failure::Client(_)) => Forwarded::Abandoned,
        };
        result
    }

    async fn to_master(&self, request: Request, acts_on: ActsOn, mastership: &Mastership) -> Result<Response, Failure> {
        let mut following = mastership.watch();
        let master = following.borrow_and_update().clone();
        let address = master.as_ref().and_then(|master| master.address.as_deref());
        let (Some(master), Some(address)) = (&master, address) else {
            return Err(Failure::NotMaster("no master is known, or it has no peer port".to_owned()));
        };
        let address = PeerAddress::parse(address).map_err(Failure::NotMaster)?;
        let (parts, body) = request.into_parts();
        let (hop, body) = match acts_on {
            ActsOn::Body => Passed::new(body, self.patience.stall),
            ActsOn::Head => Passed::nothing(),
        };
        let outgoing = headers::outgoing(&parts, &address, body).map_err(Failure::NotMaster)?;
        let result = tokio::select! {
            result = exchange::exchange(&self.tls, &self.patience, &address, outgoing, &hop) => result,
            () = superseded(&mut following, master, self.patience.superseded) => {
                Err("another node has become master before this one answered".to_owned())
            }
        };
        match result {
            Ok(response) => {
                Trail::note_passed_on(&parts.extensions);
                tracing::info!(master = %master.holder, status = response.status().as_u16(), "answered by the master");
                Ok(response)
            }
            Err(reason) => Err(failure(&hop, format!("{}: {reason}", master.holder))),
        }
    }
}

fn failure(hop: &Hop, reason: String) -> Failure {
    match hop.client_fault() {
        Some(fault) => Failure::Client(fault.clone()),
        None if hop.has_begun() => Failure::OutcomeUnknown(reason),
        None => Failure::NotMaster(reason),
    }
}

/// Returns when another master than `master` has begun its term, and the old one has had time to say what it did.
async fn superseded(following: &mut watch::Receiver<Option<MasterSeen>>, master: &MasterSeen, patience: Duration) {
    // Knowing no master for a moment says nothing about the one that is at work.
    let other = |seen: &Option<MasterSeen>| seen.as_ref().is_some_and(|seen| seen.epoch != master.epoch);
    if following.wait_for(other).await.is_err() {
        // Nobody tells any more: the node ends.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(patience).await;
}

/// Counts a hop when it ends, however it ends.
struct Counted<'a> {
    metrics: &'a Metrics,
    outcome: Forwarded,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.forwarded(self.outcome);
    }
}
