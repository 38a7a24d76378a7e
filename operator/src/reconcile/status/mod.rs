//! What is told about an element: derived from what was seen, written only when it changed.

mod conditions;
mod numbers;

#[cfg(test)]
mod tests;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use storage_element_crds::status::{
    BackendKind, Claim, ConditionType, KeyState, KeyStatus, Master, ModeRecord, TransitionStatus,
};
use storage_element_crds::{Mode, Quantity, Step, StorageElement, StorageElementStatus};

use super::problem::Problem;
use super::roll;
use super::view::View;
use crate::cluster::Note;
use crate::names::{ELEMENT_LABEL, Names};
use crate::node_client::Observation;

/// How many modes are remembered.
const HISTORY: usize = 10;

/// Everything that a status is derived from.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The element.
    pub element: &'a StorageElement,
    /// Its name.
    pub name: &'a str,
    /// What belongs to it.
    pub view: &'a View,
    /// What the nodes said.
    pub nodes: &'a Observation,
    /// What was in the way.
    pub problems: Vec<Problem>,
    /// What happens to the pods.
    pub step: Option<roll::Step>,
    /// All pods are stopped because the database changes.
    pub stopped: bool,
    /// A change of mode, or the last one.
    pub transition: Option<TransitionStatus>,
    /// The mode a change has just led to.
    pub new_mode: Option<Mode>,
    /// Ids of the issuers' keys; `None` where the Secrets could not be read.
    pub kids: Option<Vec<String>>,
    /// Now.
    pub now: Timestamp,
}

impl Facts<'_> {
    fn before(&self) -> StorageElementStatus {
        self.element.status.clone().unwrap_or_default()
    }

    /// The mode in force: what a change has just led to, what nodes say, what they said last.
    pub fn mode(&self) -> Option<Mode> {
        let said = self.nodes.info.as_ref().map(|info| info.mode);
        self.new_mode.or(said).or_else(|| self.element.status.as_ref()?.mode)
    }
}

/// The status.
pub fn derive(facts: &Facts<'_>) -> StorageElementStatus {
    let before = facts.before();
    let spec = &facts.element.spec;
    let mode = facts.mode();
    let info = facts.nodes.info.as_ref();
    let live = facts.view.pods.iter().filter(|pod| !pod.deleting);
    let (replicas, ready) = (live.clone().count(), live.filter(|pod| pod.ready).count());
    let desired = mode.map_or(spec.mode, |mode| desired(spec.mode, mode));
    StorageElementStatus {
        observed_generation: facts.element.metadata.generation,
        conditions: conditions::derive(facts, &before.conditions),
        // An id never changes: another one found is a problem, not news.
        element_id: before.element_id.clone().or_else(|| info.map(|info| info.element_id.clone())),
        mode,
        desired_mode: Some(desired),
        mode_reason: Some(reason(spec.mode, desired)),
        mode_history: history(facts, &before, mode),
        transition: facts.transition.clone(),
        master: master(facts, &before, mode),
        replicas: i32::try_from(replicas).ok(),
        ready_replicas: i32::try_from(ready).ok(),
        selector: Some(format!("app.kubernetes.io/name=storage-node,{ELEMENT_LABEL}={}", facts.name)),
        version: info.map(|info| info.version.clone()).or(before.version),
        backend: Some(if spec.backend.s3.is_some() { BackendKind::S3 } else { BackendKind::Local }),
        claim: claim(facts),
        capacity: info.map_or(before.capacity, |info| Some(numbers::capacity(&info.capacity))),
        files: info.and_then(|info| info.files).map_or(before.files, |files| Some(numbers::files(files))),
        keys: facts.kids.as_ref().map_or(before.keys, |kids| kids.iter().map(|kid| active(kid)).collect()),
    }
}

/// What people are told because the status says something new.
pub fn news(element: &StorageElement, status: &StorageElementStatus) -> Vec<Note> {
    let before = element.status.clone().unwrap_or_default();
    let find = |status: &StorageElementStatus, of: ConditionType| {
        status.conditions.iter().find(|condition| condition.type_ == of.as_str()).cloned()
    };
    let mut notes = Vec::new();
    for of in [ConditionType::Stalled, ConditionType::Ready, ConditionType::ModeDrift] {
        let (Some(now), before) = (find(status, of), find(&before, of)) else { continue };
        let same = before.as_ref().is_some_and(|before| before.status == now.status && before.reason == now.reason);
        let bad =
            if of == ConditionType::Ready { now.status == "False" && before.is_some() } else { now.status == "True" };
        let recovered = of == ConditionType::Ready && now.status == "True";
        let Some(reason) = told_as(&now.reason) else { continue };
        if !same && (bad || recovered) {
            notes.push(Note { warning: bad, reason, text: now.message });
        }
    }
    let (was, is) = (before.master.map(|master| master.pod), status.master.as_ref().map(|master| master.pod.clone()));
    if let Some(pod) = is.filter(|pod| was.as_ref() != Some(pod)) {
        notes.push(Note::done("MasterChanged", format!("pod {pod} takes the writes")));
    }
    notes.dedup_by(|a, b| a.reason == b.reason);
    notes
}

/// Reasons that are Events too.
fn told_as(reason: &str) -> Option<&'static str> {
    const TOLD: [&str; 17] = [
        "AnotherElement",
        "Serving",
        "SecretMissing",
        "KeyUnusable",
        "NameTaken",
        "ApplyRefused",
        "ClaimPending",
        "ClaimLost",
        "GrowthRefused",
        "ImagePullFailed",
        "ContainerNotCreated",
        "CrashLoop",
        "Unschedulable",
        "NoMaster",
        "NodeAhead",
        "TooFar",
        "Hibernated",
    ];
    TOLD.into_iter().find(|told| *told == reason)
}

/// The later of what is asked for and what is in force: it never falls by itself.
pub fn desired(wish: Mode, mode: Mode) -> Mode {
    match mode.step_to(wish) {
        Step::Forward => wish,
        Step::Impossible if mode == Mode::Rw && wish == Mode::Ar => wish,
        _ => mode,
    }
}

fn reason(wish: Mode, desired: Mode) -> String {
    if wish == desired {
        return "spec.mode asks for it".to_owned();
    }
    format!("the element is in it, later than the {wish} that spec.mode asks for")
}

fn history(facts: &Facts<'_>, before: &StorageElementStatus, mode: Option<Mode>) -> Vec<ModeRecord> {
    let mut history = before.mode_history.clone();
    let Some(mode) = mode else { return history };
    if history.first().is_none_or(|last| last.mode != mode) {
        let by_us = facts.transition.as_ref().is_some_and(|transition| transition.to == mode);
        let reason = match (by_us, history.is_empty()) {
            (true, _) => "spec.mode asked for it",
            (false, true) => "found on the element",
            (false, false) => "changed by an admin of the node",
        };
        let record = ModeRecord { mode, since: Time(facts.now), reason: Some(reason.to_owned()), report: None };
        history.insert(0, record);
        history.truncate(HISTORY);
    }
    history
}

fn master(facts: &Facts<'_>, before: &StorageElementStatus, mode: Option<Mode>) -> Option<Master> {
    if !mode.unwrap_or(facts.element.spec.mode).is_writable() {
        return None;
    }
    let pod = facts.view.master.clone()?;
    let info = facts.nodes.info.as_ref();
    // The node's own word, if it is about this holder.
    let epoch =
        info.filter(|info| info.master.is_some() && info.master == facts.view.lease.holder).map(|info| info.epoch);
    let since = facts.view.lease.since.clone();
    let same = before.master.as_ref().filter(|master| info.is_none() && master.pod == pod && master.since == since);
    Some(Master { epoch: epoch.or_else(|| same?.epoch), pod, since })
}

fn claim(facts: &Facts<'_>) -> Option<Claim> {
    facts.element.spec.backend.local.as_ref()?;
    let data = Names(facts.name).data();
    let capacity = facts.view.claims.iter().find(|claim| claim.name == data)?.capacity.clone()?;
    Some(Claim { capacity: Quantity::new(capacity) })
}

fn active(kid: &str) -> KeyStatus {
    KeyStatus { kid: kid.to_owned(), state: KeyState::Active, not_after: None }
}
