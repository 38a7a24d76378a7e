//! What is asked about the mode, and what is answered.

use std::time::Duration;

use serde_json::{Map, Value};
use storage_element_crds::Mode;

use crate::catalog::{CatalogError, Transition, TransitionVerdict};
use crate::element::step::{Phase, Standing, standing};
use crate::model::Timestamp;
use crate::storage::StorageError;

/// A wish to change the mode.
#[derive(Clone, Debug)]
pub struct ModeRequest {
    /// The mode asked for.
    pub mode: Mode,
    /// One part of the change; all of it when not said.
    pub phase: Option<Phase>,
    /// Names the change; every phase repeats it.
    pub transition_id: Option<String>,
    /// Rises when the orchestrator starts over.
    pub attempt: Option<u64>,
    /// The step back is meant.
    pub confirm: bool,
    /// Why.
    pub reason: Option<String>,
    /// How long running writes may take to end by themselves.
    pub drain_timeout: Duration,
    /// Names a rollback, so that it is done once.
    pub rollback_request_id: Option<String>,
    /// The proof to be kept beside the data; with `commit` only.
    pub report: Option<Map<String, Value>>,
    /// Who asks.
    pub by: String,
}

/// How far a change has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeAnswer {
    /// The mode in force.
    pub mode: Mode,
    /// The mode before.
    pub previous: Mode,
    /// Since when the mode is in force.
    pub since: Timestamp,
    /// `draining`, `prepared`, `committed` or `aborted`.
    pub phase: &'static str,
}

/// Why a mode was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ModeError {
    /// A phase without what it needs (400).
    #[error("{0}")]
    Invalid(&'static str),
    /// There is no such step, or the phases come in the wrong order (409).
    #[error("{message}")]
    InvalidTransition {
        /// What is wrong and what would be right.
        message: String,
        /// The attempt that stands, where a lower one came.
        attempt: Option<u64>,
    },
    /// A step back that nobody confirmed (409).
    #[error("going back from {from} to {to} has to be confirmed: send \"confirm\": true")]
    ConfirmationRequired {
        /// The mode in force.
        from: Mode,
        /// The mode asked for.
        to: Mode,
    },
    /// Another change is on its way, or this one still drains (503).
    #[error("{0}")]
    InProgress(String),
    /// The catalog is being made again, or what was interrupted is being settled (503).
    #[error("the element is recovering: the mode can be changed once it is ready")]
    Recovering,
    /// This node is not the one that may (503).
    #[error("this node is not the master any more")]
    NotMaster,
    /// The catalog does not answer (503).
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The storage does not answer (503).
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// `element.json` says the new mode, the catalog does not yet (503).
    #[error("the mode is changed, the catalog does not know yet: {0}")]
    OutcomeUnknown(String),
}

/// The transition that a phase names.
pub(super) fn named(request: &ModeRequest) -> Result<Transition, ModeError> {
    match (&request.transition_id, request.attempt) {
        (Some(id), Some(attempt)) => Ok(Transition { id: id.clone(), attempt, target: request.mode }),
        _ => Err(ModeError::Invalid("a phase needs transition_id and attempt")),
    }
}

pub(super) fn refuse_against(stands: Option<&Transition>, asked: &Transition) -> Result<(), ModeError> {
    match (standing(stands, asked), stands) {
        (Standing::LowerAttempt, Some(stands)) => Err(lower_attempt(stands.attempt)),
        (Standing::Others, Some(stands)) => {
            Err(ModeError::InProgress(format!("another mode change ({}) is in progress", stands.id)))
        }
        _ => Ok(()),
    }
}

pub(super) fn refused(verdict: TransitionVerdict, asked: &Transition) -> ModeError {
    match verdict {
        TransitionVerdict::Done(_) | TransitionVerdict::NotPrepared => {
            invalid("this change is not prepared, or its time is over: prepare it first".to_owned())
        }
        TransitionVerdict::Overtaken => ModeError::NotMaster,
        TransitionVerdict::Other(stands) => match refuse_against(Some(&stands), asked) {
            Err(error) => error,
            Ok(()) => ModeError::InProgress("another attempt of this mode change is in progress".to_owned()),
        },
        TransitionVerdict::OpenTransactions(count) => ModeError::InProgress(format!(
            "{count} transactions are not settled: see GET /api/v1/admin/wal, then repeat the commit"
        )),
    }
}

pub(super) fn no_such_step(from: Mode, to: Mode) -> ModeError {
    let message = match (from, to) {
        (Mode::Edit, _) | (_, Mode::Edit) => {
            format!("there is no step from {from} to {to}: edit is never entered or left")
        }
        _ => format!("there is no step from {from} to {to}: the life of an element is rw, ro, ar, one step at a time"),
    };
    invalid(message)
}

pub(super) fn lower_attempt(attempt: u64) -> ModeError {
    let message = format!("attempt {attempt} of this mode change has begun: a lower one is refused");
    ModeError::InvalidTransition { message, attempt: Some(attempt) }
}

pub(super) const fn invalid(message: String) -> ModeError {
    ModeError::InvalidTransition { message, attempt: None }
}
