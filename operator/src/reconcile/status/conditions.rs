//! The conditions, each with a reason for programs and a sentence for people.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use storage_element_crds::Step;
use storage_element_crds::status::{Condition, ConditionType, Phase};

use super::{Facts, desired};
use crate::cluster::cut;
use crate::reconcile::problem::Problem;
use crate::reconcile::roll;

/// The longest message the API takes, with room to spare.
const MESSAGE_LIMIT: usize = 4096;

/// True, False or Unknown; why; and a sentence.
type Verdict = (&'static str, &'static str, String);

/// All conditions. The time of one moves only when its status does.
pub fn derive(facts: &Facts<'_>, before: &[Condition]) -> Vec<Condition> {
    let troubles = troubles(facts);
    ConditionType::ALL
        .into_iter()
        .map(|of| {
            let (status, reason, message) = match of {
                ConditionType::Ready => ready(facts, &troubles),
                ConditionType::Reconciling => reconciling(facts, &troubles),
                ConditionType::Stalled => stalled(&troubles),
                ConditionType::Available => available(facts),
                ConditionType::ModeTransition => mode_transition(facts),
                ConditionType::ModeDrift => mode_drift(facts),
                ConditionType::KeysValid => keys_valid(facts),
                ConditionType::BackendReachable => backend_reachable(facts, before),
            };
            let known = before.iter().find(|known| known.type_ == of.as_str() && known.status == status);
            Condition {
                type_: of.as_str().to_owned(),
                status: status.to_owned(),
                observed_generation: facts.element.metadata.generation,
                last_transition_time: known.map_or(Time(facts.now), |known| known.last_transition_time.clone()),
                reason: reason.to_owned(),
                message: cut(&message, MESSAGE_LIMIT),
            }
        })
        .collect()
}

/// What is in the way, what needs a person first.
fn troubles(facts: &Facts<'_>) -> Vec<Problem> {
    let mut troubles = facts.problems.clone();
    let ready_pods = facts.view.pods.iter().any(|pod| pod.ready);
    let pods = facts.view.pods.iter().filter_map(|pod| pod.trouble.clone());
    troubles.extend(pods);
    let claims = facts.view.claims.iter().filter_map(|claim| claim.trouble.clone());
    // A claim may wait for its pod; it is told once pods wait, or when it is more than that.
    troubles.extend(claims.filter(|trouble| trouble.needs_a_person || !ready_pods));
    troubles.sort_by_key(|trouble| !trouble.needs_a_person);
    troubles.dedup();
    troubles
}

fn joined(troubles: &[Problem], which: impl Fn(&Problem) -> bool) -> Option<(&'static str, String)> {
    let of: Vec<&Problem> = troubles.iter().filter(|trouble| which(trouble)).collect();
    let text = of.iter().map(|trouble| trouble.message.as_str()).collect::<Vec<_>>().join("; ");
    of.first().map(|first| (first.reason, text))
}

fn counts(facts: &Facts<'_>) -> (usize, usize) {
    let ready = facts.view.pods.iter().filter(|pod| pod.ready).count();
    (ready, usize::try_from(facts.element.spec.replicas).unwrap_or(0))
}

fn ready(facts: &Facts<'_>, troubles: &[Problem]) -> Verdict {
    let (ready, replicas) = counts(facts);
    if facts.stopped {
        return ("False", "DatabaseChanges", "every pod stops before one starts with the new database".to_owned());
    }
    if replicas == 0 {
        return ("False", "Hibernated", "spec.replicas is 0: nothing runs, everything is kept".to_owned());
    }
    if ready == 0 {
        let (reason, message) = joined(troubles, |_| true)
            .unwrap_or_else(|| ("PodsStarting", format!("none of {replicas} nodes is ready yet")));
        return ("False", reason, message);
    }
    let writable = facts.mode().unwrap_or(facts.element.spec.mode).is_writable();
    if writable && facts.view.master.is_none() {
        let message = "no node holds the Lease: reads are served, writes wait for a master".to_owned();
        return ("False", "NoMaster", message);
    }
    ("True", "Serving", format!("{ready} of {replicas} nodes are ready"))
}

fn reconciling(facts: &Facts<'_>, troubles: &[Problem]) -> Verdict {
    if facts.element.spec.paused {
        return ("False", "Paused", "spec.paused is true: nothing is changed until it is false".to_owned());
    }
    let (ready, replicas) = counts(facts);
    let live = facts.view.pods.iter().filter(|pod| !pod.deleting).count();
    let moving = facts.transition.as_ref().filter(|transition| !transition.phase.is_final());
    let waits = joined(troubles, |trouble| !trouble.needs_a_person);
    match (&facts.step, waits) {
        _ if facts.stopped => ("True", "DatabaseChanges", format!("{live} pods are still to stop")),
        (Some(roll::Step::Replace { pod, why, .. }), _) => ("True", "Rolling", format!("pod {pod} is replaced: {why}")),
        (Some(roll::Step::Wait(why)), _) => ("True", "Rolling", format!("the next pod waits: {why}")),
        (_, Some((reason, message))) => ("True", reason, message),
        _ if live != replicas => ("True", "Scaling", format!("{live} of {replicas} pods exist")),
        _ if ready < replicas => ("True", "PodsStarting", format!("{ready} of {replicas} nodes are ready")),
        _ => match moving {
            Some(transition) => {
                ("True", "ModeTransition", format!("the mode moves from {} to {}", transition.from, transition.to))
            }
            None => ("False", "Settled", "everything is as the spec says".to_owned()),
        },
    }
}

fn stalled(troubles: &[Problem]) -> Verdict {
    match joined(troubles, |trouble| trouble.needs_a_person) {
        Some((reason, message)) => ("True", reason, message),
        None => ("False", "NotStalled", "nothing needs a person".to_owned()),
    }
}

fn available(facts: &Facts<'_>) -> Verdict {
    match counts(facts) {
        (0, _) => ("False", "NoNode", "no node answers".to_owned()),
        (ready, _) => ("True", "NodesAnswer", format!("{ready} nodes answer")),
    }
}

fn mode_transition(facts: &Facts<'_>) -> Verdict {
    let Some(transition) = &facts.transition else {
        return ("False", "None", "the mode was not changed yet".to_owned());
    };
    let way = format!("{} to {}", transition.from, transition.to);
    let waits = transition.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    match transition.phase {
        Phase::Completed => ("False", "Completed", format!("the last change was {way}")),
        Phase::Failed => ("False", "Failed", format!("{way}{waits}")),
        Phase::Committing => ("True", "Committing", format!("{way}{waits}")),
        Phase::Aborting => ("True", "Aborting", format!("{way}{waits}")),
        _ => ("True", "Draining", format!("{way}{waits}")),
    }
}

fn mode_drift(facts: &Facts<'_>) -> Verdict {
    let Some(mode) = facts.mode() else {
        return ("Unknown", "NotKnown", "no node has said its mode yet".to_owned());
    };
    let wish = facts.element.spec.mode;
    if mode == wish {
        return ("False", "AsAsked", format!("the mode is {mode}, as asked"));
    }
    if desired(wish, mode) == wish {
        return match mode.step_to(wish) {
            Step::Forward => ("True", "NodeBehind", format!("the mode is {mode} and moves to {wish}")),
            _ => ("True", "TooFar", format!("the mode is {mode}, {wish} is two steps away: ask for ro first")),
        };
    }
    let text = format!(
        "the mode is {mode}, later than spec.mode {wish}: it stays; set spec.mode to {mode}, or ask for a step back with \
         spec.transition.rollback"
    );
    ("True", "NodeAhead", text)
}

fn keys_valid(facts: &Facts<'_>) -> Verdict {
    let about_keys = facts.problems.iter().find(|problem| {
        problem.reason == "KeyUnusable"
            || (problem.reason == "SecretMissing" && problem.message.contains("jwksSecretRef"))
    });
    match (about_keys, &facts.kids) {
        (Some(problem), _) => ("False", problem.reason, problem.message.clone()),
        (None, Some(kids)) if kids.is_empty() => {
            ("True", "FromOutside", "keys come from spec.auth.jwt.jwksSecretRef".to_owned())
        }
        (None, Some(kids)) => ("True", "Active", format!("tokens are checked with {}", kids.join(", "))),
        (None, None) => ("Unknown", "NotKnown", "the key Secrets were not read yet".to_owned()),
    }
}

fn backend_reachable<'a>(facts: &Facts<'_>, before: &'a [Condition]) -> (&'a str, &'a str, String) {
    if facts.view.pods.iter().all(|pod| !pod.ready) {
        return ("Unknown", "NoNode", "no node answers".to_owned());
    }
    match (&facts.nodes.info, &facts.nodes.failure) {
        (_, Some(failure)) => ("Unknown", "NodeUnreachable", failure.clone()),
        (Some(info), None) if info.files.is_some() => {
            ("True", "Reached", "the nodes reach storage and database".to_owned())
        }
        (Some(_), None) => ("False", "DatabaseUnavailable", "the nodes do not reach their database".to_owned()),
        // After a restart of the operator what was told stands until a node was asked.
        (None, None) => match before.iter().find(|known| known.type_ == ConditionType::BackendReachable.as_str()) {
            Some(known) => (known.status.as_str(), known.reason.as_str(), known.message.clone()),
            None => ("Unknown", "NotKnown", "no node was asked yet".to_owned()),
        },
    }
}
