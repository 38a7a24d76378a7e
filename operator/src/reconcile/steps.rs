//! The steps of one look, in order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use storage_element_crds::{Mode, StorageElement};

use super::apply::apply;
use super::problem::Problem;
use super::status::Facts;
use super::view::View;
use super::{Context, Outcome, Stop, image, keys, mode, prune, references, roles, roll, status, write_status};
use crate::build::{self, Input, Keys, Shape, Wish};
use crate::cache::{Child, Key, Kind};
use crate::cluster::{Cause, Failure, Note};
use crate::node_client::{INTERVAL, Observation, Target};

/// A problem that a person has to solve outside of what is watched is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// What a look finds out on its way.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    notes: Vec<Note>,
    step: Option<roll::Step>,
    stopped: bool,
    kids: Option<Vec<String>>,
    carried: mode::Carried,
    again: Option<Duration>,
}

impl Findings {
    fn look_again(&mut self, after: Duration) {
        self.again = Some(self.again.map_or(after, |before| before.min(after)));
    }
}

/// Looks at an element that is there to stay.
pub async fn run(context: &Context, key: &Key, element: &StorageElement) -> Result<Outcome, Failure> {
    let nodes = context.nodes.of(key);
    let mut found = Findings::default();
    found.carried.transition = element.status.as_ref().and_then(|status| status.transition.clone());
    let outcome = if element.spec.paused { Ok(()) } else { act(context, key, element, &nodes, &mut found).await };
    // What could be found out is told even when something failed.
    let view = View::of(&context.children.of(key));
    tell(context, key, element, &view, &nodes, &found).await?;
    outcome?;
    ask_nodes(context, key, element, &view, &nodes);
    let waits = found.problems.iter().any(|problem| problem.needs_a_person);
    if waits {
        found.look_again(LOOK_AGAIN);
    }
    Ok(Outcome { again: found.again })
}

async fn act(
    context: &Context,
    key: &Key,
    element: &StorageElement,
    nodes: &Observation,
    found: &mut Findings,
) -> Result<(), Failure> {
    found.problems.extend(references::check(context, key, element).await?);
    found.problems.extend(another_element(element, nodes));
    let children = context.children.of(key);
    let keys = match keys::read(context, key, element, &children).await {
        Ok(keys) => keys,
        Err(Stop::Problem(problem)) => {
            found.problems.push(problem);
            return Ok(());
        }
        Err(Stop::Again) => {
            found.look_again(Duration::from_millis(200));
            return Ok(());
        }
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    found.kids = Some(keys.issuer.iter().map(|issuer| issuer.kid.clone()).collect());
    let view = View::of(&children);
    let input = input(context, key, element, &keys, &view, nodes, found);
    let shape = input.shape();
    let mut wishes = build::build(&input);
    hold_back_database(&mut wishes, &view, nodes, &shape, found);

    let uid = element.metadata.uid.as_deref().unwrap_or_default();
    let applied = match apply(context, key, uid, &children, &wishes).await {
        Ok(applied) => applied,
        // Nothing can be made in a namespace that goes, and nothing needs to be.
        Err(Failure { cause: Cause::NamespaceGone, .. }) => return Ok(()),
        Err(failure) => return Err(failure),
    };
    found.problems.extend(applied.problems);
    found.notes.extend(written(element, &applied.written));

    let children = context.children.of(key);
    let view = View::of(&children);
    roll_pods(context, key, element, &view, &shape, input.mode, found).await?;
    prune_children(context, key, uid, &children, &wishes, &view, &shape, found).await?;
    roles::label(context, key, &view.pods, view.master.as_deref()).await?;
    carry_mode(context, key, element, nodes, &view, &children, found).await;
    Ok(())
}

/// The nodes refuse the wrong storage by themselves; if all the same another id is seen, nobody shall miss it.
fn another_element(element: &StorageElement, nodes: &Observation) -> Option<Problem> {
    let known = element.status.as_ref()?.element_id.as_ref()?;
    let seen = &nodes.info.as_ref()?.element_id;
    (known != seen).then(|| {
        Problem::stalls(
            "AnotherElement",
            format!(
                "the nodes serve element {seen}, this is element {known}: its claims, bucket or database were changed"
            ),
        )
    })
}

fn input<'a>(
    context: &'a Context,
    key: &Key,
    element: &'a StorageElement,
    keys: &'a Keys,
    view: &View,
    nodes: &Observation,
    found: &mut Findings,
) -> Input<'a> {
    let set = view.set.as_ref();
    let image = image::decide(element, set, &context.settings.node_image);
    let known = element.status.as_ref().and_then(|status| status.mode);
    let first_mode = set.and_then(|set| set.first_mode).or(known).unwrap_or(element.spec.mode);
    let mode = nodes.info.as_ref().map(|info| info.mode).or(known).unwrap_or(first_mode);
    let shape = Shape::of(&key.name, &element.spec, &image.image);
    let other_database =
        |pod: &super::PodView| pod.database.as_ref().is_some_and(|database| *database != shape.database);
    found.stopped = view.pods.iter().any(other_database);
    Input {
        element,
        keys,
        image: image.image,
        operator_image: image.fallback,
        image_request: image.request,
        first_mode,
        mode,
        replicas: if found.stopped { 0 } else { element.spec.replicas },
        operator_namespace: &context.settings.pod_namespace,
        monitoring_namespace: context.settings.monitoring_namespace.as_deref(),
        knows_service_monitors: context.knows_service_monitors,
    }
}

/// Pods do not stop for another database while announced writes are not settled in the one they have.
fn hold_back_database(wishes: &mut Vec<Wish>, view: &View, nodes: &Observation, shape: &Shape, found: &mut Findings) {
    let serves = view.pods.iter().any(|pod| pod.ready && pod.database.as_ref() != Some(&shape.database));
    let pending = nodes.fresh().and_then(|info| info.files).map_or(0, |files| files.pending_wal);
    if found.stopped && serves && pending > 0 {
        // The old template stays: a pod that dies meanwhile comes back with the database of the others.
        wishes.retain(|wish| wish.kind != Kind::StatefulSet);
        found.stopped = false;
        let text = format!("the database changes once {pending} announced writes are settled in the one in use");
        found.problems.push(Problem::waits("DatabaseChangeWaits", text));
        found.look_again(Duration::from_secs(2));
    }
}

async fn roll_pods(
    context: &Context,
    key: &Key,
    element: &StorageElement,
    view: &View,
    shape: &Shape,
    mode: Mode,
    found: &mut Findings,
) -> Result<(), Failure> {
    if found.stopped || view.set.as_ref().is_none_or(|set| set.deleting) {
        return Ok(());
    }
    let wanted = roll::Wanted {
        shape: shape.all.clone(),
        writable: mode.is_writable(),
        revision: view.set.as_ref().and_then(|set| set.revision.clone()),
        replicas: usize::try_from(element.spec.replicas).unwrap_or(0),
        master: view.master.clone(),
    };
    let step = roll::next(&wanted, &view.pods);
    if let roll::Step::Replace { pod, uid, why } = &step {
        context.cluster.delete(Kind::Pod, key, pod, uid).await?;
        found.notes.push(Note::done("PodReplaced", format!("pod {pod} is replaced: {why}")));
    }
    // A StatefulSet without pods has nothing to wait for but them.
    let idle = view.pods.is_empty() && matches!(step, roll::Step::Wait(_));
    found.step = (step != roll::Step::Settled && !idle).then_some(step);
    Ok(())
}

#[allow(clippy::too_many_arguments)]
async fn prune_children(
    context: &Context,
    key: &Key,
    uid: &str,
    children: &[Arc<Child>],
    wishes: &[Wish],
    view: &View,
    shape: &Shape,
    found: &mut Findings,
) -> Result<(), Failure> {
    let rolled = view.pods.iter().all(|pod| pod.shape.as_ref() == Some(&shape.all));
    let in_use: BTreeSet<&String> = view.pods.iter().flat_map(|pod| &pod.config_maps).collect();
    let unwanted = prune::unwanted(key, uid, children, wishes, rolled, &in_use);
    let gone = prune::prune(context, key, &unwanted).await?;
    if !gone.is_empty() {
        found.notes.push(Note::done("Removed", format!("no longer wanted: {}", gone.join(", "))));
    }
    Ok(())
}

async fn carry_mode(
    context: &Context,
    key: &Key,
    element: &StorageElement,
    nodes: &Observation,
    view: &View,
    children: &[Arc<Child>],
    found: &mut Findings,
) {
    // What is recorded is enough after a restart: the node decides anyway.
    let info = nodes.info.as_ref();
    let known = element.status.as_ref();
    let id = info.map(|info| info.element_id.clone()).or_else(|| known?.element_id.clone());
    let modes = [info.map(|info| info.mode), known.and_then(|status| status.mode)];
    let (Some(id), Some(mode)) = (id, modes.into_iter().flatten().reduce(Mode::more_restrictive)) else { return };
    let pod = view.pods.iter().filter(|pod| pod.ready).max_by_key(|pod| view.master.as_ref() == Some(&pod.name));
    let target = pod.and_then(|pod| Target::of(key, &pod.name, pod.address.as_deref()?, children, Some(&id)));
    let carried = mode::carry(element, mode, target.as_ref(), Timestamp::now()).await;
    if let Some(after) = carried.again {
        found.look_again(after);
    }
    if carried.mode.is_some() {
        context.polls.add(key.clone(), Duration::ZERO);
    }
    found.notes.extend(carried.note.clone());
    found.carried = carried;
}

/// What was written, as an Event: made, changed because the spec did, or brought back.
fn written(element: &StorageElement, written: &[String]) -> Option<Note> {
    if written.is_empty() {
        return None;
    }
    let list = written.join(", ");
    let observed = element.status.as_ref().and_then(|status| status.observed_generation);
    Some(match observed {
        None => Note::done("Created", format!("made: {list}")),
        observed if observed == element.metadata.generation => {
            Note::done("BroughtBack", format!("as they should be again: {list}"))
        }
        _ => Note::done("Updated", format!("changed: {list}")),
    })
}

async fn tell(
    context: &Context,
    key: &Key,
    element: &StorageElement,
    view: &View,
    nodes: &Observation,
    found: &Findings,
) -> Result<(), Failure> {
    let facts = Facts {
        element,
        name: &key.name,
        view,
        nodes,
        problems: found.problems.clone(),
        step: found.step.clone(),
        stopped: found.stopped,
        transition: found.carried.transition.clone(),
        new_mode: found.carried.mode,
        kids: found.kids.clone(),
        now: Timestamp::now(),
    };
    let status = status::derive(&facts);
    // The record first: an Event that was told twice at each start of the operator would be worse than one that was lost.
    let written = write_status(context, key, element, &status).await;
    let about = super::reference(element);
    let news = if written.is_ok() { status::news(element, &status) } else { Vec::new() };
    for note in found.notes.iter().chain(&news) {
        context.recorder.tell(&about, note).await;
    }
    written
}

/// Asks for a call to the nodes: at once where something must be known now, else within the minute.
fn ask_nodes(context: &Context, key: &Key, element: &StorageElement, view: &View, nodes: &Observation) {
    if !view.pods.iter().any(|pod| pod.ready) {
        return;
    }
    let told = element.status.as_ref().and_then(|status| status.master.as_ref());
    let new_master = view.master.is_some() && view.master.as_ref() != told.map(|master| &master.pod);
    let never_asked = nodes.asked_at.is_none();
    let status = element.status.as_ref();
    let first = status.is_none_or(|status| status.element_id.is_none());
    let moves = status.is_some_and(|status| status.mode != Some(element.spec.mode));
    let delay = if new_master || (never_asked && (first || moves)) {
        Duration::ZERO
    } else if never_asked {
        // After a restart of the operator: not all elements at once.
        spread(key)
    } else {
        INTERVAL
    };
    context.polls.add(key.clone(), delay);
}

fn spread(key: &Key) -> Duration {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    Duration::from_millis(hasher.finish() % 60_000)
}
