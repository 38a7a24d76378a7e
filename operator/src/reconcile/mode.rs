//! A change of `spec.mode`, carried to the node: drained, then committed; forward only.
//!
//! Each phase stands in the status before it is acted on, each act is idempotent by the transition's id and attempt, and
//! the node decides: a status that was lost is only begun anew.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use storage_element_crds::status::{Phase, TransitionStatus};
use storage_element_crds::{Mode, Step, StorageElement};

use crate::cluster::Note;
use crate::node_client::{ModeRequest, NodeFailure, Target, put_mode};

/// How often a draining node is asked.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A change that failed is tried again after this.
const TRY_AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// What a drain may take beside its own time-out.
const DRAIN_MARGIN_SECONDS: i64 = 60;

/// What is to be done about the mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Nothing,
    /// The change that is recorded is over: the element has its mode.
    Finish,
    /// Begin one: record this, act at the next look.
    Begin {
        /// Which try.
        attempt: u32,
    },
    /// Ask for the drain.
    Prepare,
    /// Ask for the commit.
    Commit,
    /// The wish was taken back, or it took too long.
    Abort,
}

/// Pure: what is to be done, from the wish, the mode in force, what is recorded, and the time.
pub fn decide(wish: Mode, mode: Mode, recorded: Option<&TransitionStatus>, now: Timestamp) -> Decision {
    let running = recorded.filter(|recorded| !recorded.phase.is_final());
    if let Some(running) = running {
        if running.to == mode {
            return Decision::Finish;
        }
        // A commit that was asked for may have happened: only forward from there.
        if running.phase == Phase::Committing {
            return Decision::Commit;
        }
        let late = running.deadline.as_ref().is_some_and(|deadline| deadline.0 < now);
        if running.to != wish || late {
            return Decision::Abort;
        }
        return Decision::Prepare;
    }
    if mode.step_to(wish) != Step::Forward {
        return Decision::Nothing;
    }
    match recorded {
        Some(failed) if failed.phase == Phase::Failed && failed.to == wish && failed.from == mode => {
            let since = failed.deadline.as_ref().map_or(now, |deadline| deadline.0);
            if since + TRY_AGAIN > now { Decision::Nothing } else { Decision::Begin { attempt: failed.attempt + 1 } }
        }
        _ => Decision::Begin { attempt: 1 },
    }
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    /// What is recorded from now on.
    pub transition: Option<TransitionStatus>,
    /// When to look again.
    pub again: Option<Duration>,
    /// What people are told.
    pub note: Option<Note>,
    /// The element has this mode now.
    pub mode: Option<Mode>,
}

/// Acts on the decision. `target`: the node that can; `None` if there is none.
pub async fn carry(element: &StorageElement, mode: Mode, target: Option<&Target>, now: Timestamp) -> Carried {
    let wish = element.spec.mode;
    let recorded = element.status.as_ref().and_then(|status| status.transition.clone());
    let decision = decide(wish, mode, recorded.as_ref(), now);
    let drain = i64::from(element.spec.transition.drain_timeout_seconds);
    let carried = |transition: TransitionStatus| Carried { transition: Some(transition), ..Carried::default() };
    match (decision, recorded) {
        (Decision::Begin { attempt }, _) => {
            let id = uuid::Uuid::now_v7().to_string();
            let transition = TransitionStatus {
                id,
                from: mode,
                to: wish,
                phase: Phase::Draining,
                attempt,
                started_at: Some(Time(now)),
                deadline: Some(Time(now + SignedDuration::from_secs(drain + DRAIN_MARGIN_SECONDS))),
                progress: None,
                message: None,
            };
            let text = format!("the mode is moved from {mode} to {wish}, as spec.mode asks: running writes end first");
            Carried {
                again: Some(Duration::ZERO),
                note: Some(Note::done("ModeTransitionBegun", text)),
                ..carried(transition)
            }
        }
        (Decision::Finish, Some(mut transition)) => {
            transition.phase = Phase::Completed;
            transition.message = None;
            let text = format!("the mode is {}", transition.to);
            Carried {
                note: Some(Note::done("ModeTransitionCompleted", text)),
                mode: Some(transition.to),
                ..carried(transition)
            }
        }
        (decision @ (Decision::Prepare | Decision::Commit | Decision::Abort), Some(mut transition)) => {
            let Some(target) = target else {
                transition.message =
                    Some("NoNode: no node is there to carry it out; it goes on when one is".to_owned());
                return Carried { again: Some(ASK_AGAIN * 5), ..carried(transition) };
            };
            act(element, &decision, transition, target).await
        }
        (_, recorded) => Carried { transition: recorded, ..Carried::default() },
    }
}

async fn act(element: &StorageElement, act: &Decision, mut transition: TransitionStatus, target: &Target) -> Carried {
    let phase = match act {
        Decision::Commit => "commit",
        Decision::Abort => "abort",
        _ => "prepare",
    };
    let request = ModeRequest {
        mode: transition.to,
        phase,
        transition_id: transition.id.clone(),
        attempt: transition.attempt,
        reason: "spec.mode".to_owned(),
        drain_timeout_seconds: element.spec.transition.drain_timeout_seconds,
    };
    let mut carried = Carried { again: Some(ASK_AGAIN), ..Carried::default() };
    match (phase, put_mode(target, &request).await) {
        ("commit", Ok(answer)) if answer.mode == transition.to => {
            transition.phase = Phase::Completed;
            transition.message = None;
            carried.mode = Some(transition.to);
            carried.note = Some(Note::done("ModeTransitionCompleted", format!("the mode is {}", transition.to)));
        }
        ("prepare", Ok(answer)) if answer.phase.as_deref() == Some("prepared") => {
            transition.phase = Phase::Committing;
            transition.message = None;
            carried.again = Some(Duration::ZERO);
        }
        (_, Ok(_)) if phase != "abort" => transition.message = None,
        // What is not prepared any more need not be aborted.
        ("abort", Ok(_) | Err(NodeFailure::Refused { status: 409, .. })) => {
            let late = transition.to == element.spec.mode;
            let text = if late { "running writes did not end in time" } else { "spec.mode asks for another mode" };
            transition.phase = Phase::Failed;
            transition.message = Some(format!("given up: {text}; the mode is still {}", transition.from));
            carried.note = Some(Note::warning("ModeTransitionFailed", format!("given up: {text}")));
            carried.again = None;
        }
        ("commit", Err(NodeFailure::Refused { status: 409, code, message })) => {
            // The node no longer knows it as prepared: begin again under a higher attempt, which shuts the old one out.
            transition.phase = Phase::Draining;
            transition.attempt += 1;
            transition.message = Some(format!("begun again: {code} {message}"));
        }
        (_, Err(failure)) => transition.message = Some(failure.to_string()),
        (_, Ok(_)) => {}
    }
    Carried { transition: Some(transition), ..carried }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::{SignedDuration, Timestamp};
    use storage_element_crds::Mode;
    use storage_element_crds::status::{Phase, TransitionStatus};

    use super::{Decision, decide};

    fn recorded(phase: Phase, to: Mode, deadline_in: i64) -> TransitionStatus {
        let now = Timestamp::UNIX_EPOCH;
        TransitionStatus {
            id: "t".to_owned(),
            from: Mode::Rw,
            to,
            phase,
            attempt: 1,
            started_at: Some(Time(now)),
            deadline: Some(Time(now + SignedDuration::from_secs(deadline_in))),
            progress: None,
            message: None,
        }
    }

    #[test]
    fn each_case_has_its_decision() {
        use Mode::{Ar, Edit, Ro, Rw};
        let now = Timestamp::UNIX_EPOCH;
        let draining = recorded(Phase::Draining, Ro, 60);
        let late = recorded(Phase::Draining, Ro, -1);
        let committing = recorded(Phase::Committing, Ro, -1);
        let failed = recorded(Phase::Failed, Ro, -1);
        let failed_long_ago = recorded(Phase::Failed, Ro, -3600);
        let completed = recorded(Phase::Completed, Ro, 0);
        for (wish, mode, recorded, expected) in [
            (Rw, Rw, None, Decision::Nothing),
            (Ro, Rw, None, Decision::Begin { attempt: 1 }),
            (Ar, Ro, Some(&completed), Decision::Begin { attempt: 1 }),
            (Ar, Rw, None, Decision::Nothing),
            (Rw, Ro, None, Decision::Nothing),
            (Rw, Edit, None, Decision::Nothing),
            (Ro, Rw, Some(&draining), Decision::Prepare),
            (Ro, Ro, Some(&draining), Decision::Finish),
            (Rw, Rw, Some(&draining), Decision::Abort),
            (Ro, Rw, Some(&late), Decision::Abort),
            (Ro, Rw, Some(&committing), Decision::Commit),
            (Rw, Rw, Some(&committing), Decision::Commit),
            (Ro, Rw, Some(&failed), Decision::Nothing),
            (Ro, Rw, Some(&failed_long_ago), Decision::Begin { attempt: 2 }),
        ] {
            assert_eq!(decide(wish, mode, recorded, now), expected, "{wish} {mode} {recorded:?}");
        }
    }
}
