//! The pods of an element, as the decisions see them, and what is wrong with each.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus};

use super::problem::Problem;
use crate::build::node_container;
use crate::cache::{Child, Kind};
use crate::cluster::cut;
use crate::names::{DATABASE_ANNOTATION, ROLE_LABEL, SEALED_ANNOTATION, SHAPE_ANNOTATION};

/// The kubelet sets the first `Ready: False` this close to the start of a pod; later ones come from a pod that was ready.
const FIRST_CONDITION_SECONDS: i64 = 2;
/// The longest message of a container that is shown.
const MESSAGE_LIMIT: usize = 1024;

/// A pod as the decisions see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is seen by itself, and any of them may go with any other")]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// What it was asked to be.
    pub shape: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// Its volume is mounted read-only.
    pub sealed: bool,
    /// The revision of the StatefulSet it was made from.
    pub revision: Option<String>,
    /// It serves.
    pub ready: bool,
    /// It has never served.
    pub never_ready: bool,
    /// It is on its way out.
    pub deleting: bool,
    /// Its address.
    pub address: Option<String>,
    /// Its role label.
    pub role: Option<String>,
    /// ConfigMaps it mounts.
    pub config_maps: BTreeSet<String>,
    /// What is wrong with it.
    pub trouble: Option<Problem>,
}

/// The pods of the element with this UID's StatefulSet, by name.
pub fn pods(children: &[std::sync::Arc<Child>], stateful_set: Option<&str>) -> Vec<PodView> {
    let of_set = |child: &Child| child.owner.is_some() && child.owner.as_deref() == stateful_set;
    children
        .iter()
        .filter(|child| child.kind == Kind::Pod && of_set(child))
        .filter_map(|child| Some(view(child, child.parsed()?)))
        .collect()
}

/// Every pod that carries the element's label, whoever owns it: what still runs while everything is taken down.
pub fn running(children: &[std::sync::Arc<Child>]) -> usize {
    children.iter().filter(|child| child.kind == Kind::Pod).count()
}

fn view(child: &Child, pod: Pod) -> PodView {
    let annotations = pod.metadata.annotations.unwrap_or_default();
    let labels = pod.metadata.labels.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let ready = condition(&status, "Ready").is_some_and(|ready| ready.status == "True");
    let volumes = pod.spec.and_then(|spec| spec.volumes).unwrap_or_default();
    PodView {
        name: child.name.clone(),
        uid: child.uid.clone(),
        shape: annotations.get(SHAPE_ANNOTATION).cloned(),
        database: annotations.get(DATABASE_ANNOTATION).cloned(),
        sealed: annotations.contains_key(SEALED_ANNOTATION),
        revision: labels.get("controller-revision-hash").cloned(),
        ready: ready && !child.deleting,
        never_ready: !ready && never_ready(&status),
        deleting: child.deleting,
        address: status.pod_ip.clone(),
        role: labels.get(ROLE_LABEL).cloned(),
        config_maps: volumes.into_iter().filter_map(|volume| Some(volume.config_map?.name)).collect(),
        trouble: if ready || child.deleting { None } else { trouble(&child.name, &status) },
    }
}

fn condition<'a>(status: &'a PodStatus, of: &str) -> Option<&'a PodCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == of)
}

/// Whether `Ready` has stood at False since the pod began.
fn never_ready(status: &PodStatus) -> bool {
    let Some(ready) = condition(status, "Ready") else { return true };
    match (&ready.last_transition_time, &status.start_time) {
        (Some(since), Some(start)) => since.0.as_second() - start.0.as_second() <= FIRST_CONDITION_SECONDS,
        _ => true,
    }
}

fn trouble(name: &str, status: &PodStatus) -> Option<Problem> {
    let unscheduled = condition(status, "PodScheduled").filter(|scheduled| scheduled.status == "False");
    if let Some(scheduled) = unscheduled {
        let why = scheduled.message.as_deref().unwrap_or("the scheduler does not say why");
        let message = format!("no machine can run pod {name}: {why}");
        return Some(Problem::waits("Unschedulable", message));
    }
    let container = status.container_statuses.iter().flatten().find(|status| status.name == node_container())?;
    container_trouble(name, container)
}

fn container_trouble(pod: &str, container: &ContainerStatus) -> Option<Problem> {
    let state = container.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    let said = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or("the kubelet does not say why");
    let said = cut(said, MESSAGE_LIMIT);
    match reason {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            let message = format!(
                "the image {:?} of pod {pod} cannot be pulled: {said}. Correct spec.podTemplate.image or \
                 imagePullSecrets",
                container.image
            );
            return Some(Problem::stalls("ImagePullFailed", message));
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            return Some(Problem::stalls("ContainerNotCreated", format!("pod {pod} cannot start: {said}")));
        }
        _ => {}
    }
    let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let ended = state.and_then(|state| state.terminated.as_ref()).or(last).filter(|ended| ended.exit_code != 0)?;
    let told = ended.message.as_deref().map(str::trim).filter(|told| !told.is_empty());
    let said = told.map_or_else(
        || format!("exit code {} and no message; see `kubectl logs --previous {pod}`", ended.exit_code),
        told_by_node,
    );
    let message = format!("pod {pod} ended {} times, the last time with {said}", container.restart_count.max(1));
    let problem = if reason == "CrashLoopBackOff" { Problem::stalls } else { Problem::waits };
    Some(problem("CrashLoop", message))
}

/// The termination message: one JSON object with the node's error code and sentence, or the end of its log, of which the
/// last error says most.
fn told_by_node(told: &str) -> String {
    let lines: Vec<Line> = told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let last = lines.iter().rev().find(|line| line.is_error()).or_else(|| lines.last());
    if let Some(line) = last {
        let said = [&line.code, &line.message].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ");
        if !said.is_empty() {
            return cut(&said, MESSAGE_LIMIT);
        }
    }
    let tail: Vec<&str> = told.lines().rev().take(3).collect();
    cut(&tail.into_iter().rev().collect::<Vec<_>>().join(" · "), MESSAGE_LIMIT)
}

/// What a line of a log may say.
#[derive(serde::Deserialize)]
struct Line {
    level: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl Line {
    fn is_error(&self) -> bool {
        self.code.is_some() || self.level.as_deref() == Some("ERROR")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::{PodView, pods};
    use crate::cache::{Children, Key, Kind};

    fn view(status: &Value) -> PodView {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "a-0", "namespace": "ns", "uid": "p", "resourceVersion": "1",
                "labels": {"storage.artstore.dev/element": "a"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a", "uid": "s",
                                     "controller": true}],
            },
            "spec": {"containers": [], "volumes": [{"name": "config", "configMap": {"name": "a-config-1"}}]},
            "status": status,
        });
        let children = Children::default();
        children.put(Kind::Pod, serde_json::from_value(pod).unwrap());
        let children: Vec<Arc<_>> = children.of(&Key::new("ns", "a"));
        pods(&children, Some("s")).remove(0)
    }

    fn container(state: &Value, last: &Value) -> Value {
        json!({"startTime": "2026-01-01T00:00:00Z",
               "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
               "containerStatuses": [{"name": "node", "image": "registry/node:1", "imageID": "", "ready": false,
                                      "restartCount": 4, "state": state, "lastState": last}]})
    }

    #[test]
    fn each_trouble_has_its_reason_and_says_what_the_cluster_said() {
        let unschedulable = json!({"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes are available"}]});
        let none = json!({});
        let ended =
            json!({"terminated": {"exitCode": 1, "message": "{\"code\":\"WRONG_VOLUME\",\"message\":\"found X\"}"}});
        let log = "{\"level\":\"ERROR\",\"message\":\"no key\"}\n{\"level\":\"INFO\",\"message\":\"bye\"}\n";
        let logged = json!({"terminated": {"exitCode": 1, "message": log}});
        let plain = json!({"terminated": {"exitCode": 2, "message": "a\nb\nc\nd\n"}});
        let crash = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}});
        let pull = json!({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}});
        for (status, reason, part, stalls) in [
            (unschedulable, "Unschedulable", "0/2 nodes", false),
            (container(&pull, &none), "ImagePullFailed", "registry/node:1", true),
            (container(&crash, &ended), "CrashLoop", "WRONG_VOLUME: found X", true),
            (container(&json!({"running": {}}), &ended), "CrashLoop", "ended 4 times", false),
            (container(&crash, &logged), "CrashLoop", "the last time with no key", true),
            (container(&crash, &plain), "CrashLoop", "b · c · d", true),
        ] {
            let trouble = view(&status).trouble.unwrap();
            assert_eq!((trouble.reason, trouble.needs_a_person), (reason, stalls));
            assert!(trouble.message.contains(part), "{}", trouble.message);
        }
    }

    #[test]
    fn a_pod_that_was_ready_once_is_told_from_one_that_never_was() {
        let status = |ready: &str, since: &str| {
            json!({"startTime": "2026-01-01T00:00:00Z",
                   "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": since}]})
        };
        assert!(view(&json!({})).never_ready);
        assert!(view(&status("False", "2026-01-01T00:00:01Z")).never_ready);
        let was_ready = view(&status("False", "2026-01-01T00:05:00Z"));
        assert!(!was_ready.never_ready && !was_ready.ready);
        let ready = view(&status("True", "2026-01-01T00:00:05Z"));
        assert!(ready.ready && !ready.never_ready && ready.trouble.is_none());
        assert!(ready.config_maps.contains("a-config-1"));
    }
}
