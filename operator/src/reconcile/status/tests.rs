use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use storage_element_crds::status::ConditionType;
use storage_element_crds::{Mode, StorageElement, StorageElementStatus};

use super::{Facts, derive, desired, news};
use crate::build::samples::element;
use crate::node_client::Observation;
use crate::reconcile::pods::PodView;
use crate::reconcile::problem::Problem;
use crate::reconcile::roll::Step;
use crate::reconcile::view::View;

fn facts<'a>(element: &'a StorageElement, view: &'a View, nodes: &'a Observation) -> Facts<'a> {
    Facts {
        element,
        name: "a",
        view,
        nodes,
        problems: Vec::new(),
        step: None,
        stopped: false,
        transition: None,
        new_mode: None,
        kids: Some(vec!["kid".to_owned()]),
        now: Timestamp::UNIX_EPOCH,
    }
}

fn of(status: &StorageElementStatus, of: ConditionType) -> (&str, &str, &str) {
    let found = status.conditions.iter().find(|condition| condition.type_ == of.as_str()).unwrap();
    (&found.status, &found.reason, &found.message)
}

fn said(mode: &str) -> Observation {
    let text = format!(
        r#"{{"element_id":"e","version":"1","mode":"{mode}","epoch":4,"master":"a-0_u_p",
            "files":{{"active":3,"deleted":0,"pending_wal":0}},"capacity":{{"used":5,"level":"warning"}}}}"#
    );
    let info = serde_json::from_str::<crate::node_client::Info>(&text).unwrap();
    Observation { info: Some(info.clone()), last: Some(info), ..Observation::default() }
}

fn serving() -> View {
    let pod = PodView { name: "a-0".to_owned(), uid: "u".to_owned(), ready: true, ..PodView::default() };
    let mut view = View { pods: vec![pod], master: Some("a-0".to_owned()), ..View::default() };
    view.lease.holder = Some("a-0_u_p".to_owned());
    view
}

#[test]
fn an_element_that_serves_is_ready_and_settled() {
    let element = element("a", &json!({"mode": "rw", "backend": {"local": {"size": "1Gi"}}}));
    let (view, nodes) = (serving(), said("rw"));
    let status = derive(&facts(&element, &view, &nodes));
    assert_eq!(of(&status, ConditionType::Ready), ("True", "Serving", "1 of 1 nodes are ready"));
    assert_eq!(of(&status, ConditionType::Reconciling).0, "False");
    assert_eq!(of(&status, ConditionType::Stalled).0, "False");
    assert_eq!(of(&status, ConditionType::ModeDrift).1, "AsAsked");
    assert_eq!(of(&status, ConditionType::BackendReachable).0, "True");
    assert_eq!(status.element_id.as_deref(), Some("e"));
    let master = status.master.as_ref().unwrap();
    assert_eq!((master.pod.as_str(), master.epoch), ("a-0", Some(4)));
    assert_eq!(status.mode_history.len(), 1);

    let mut again = element.clone();
    again.status = Some(status.clone());
    let mut later = facts(&again, &view, &nodes);
    later.now = Timestamp::UNIX_EPOCH + k8s_openapi::jiff::SignedDuration::from_hours(1);
    assert_eq!(derive(&later), status, "nothing new: not written");
    assert!(news(&again, &status).is_empty());
}

#[test]
fn what_is_in_the_way_is_told_in_the_conditions_it_belongs_to() {
    let element = element("a", &json!({"mode": "rw", "replicas": 2, "backend": {"local": {"size": "1Gi"}}}));
    let (nothing, nodes) = (View::default(), Observation::default());
    let mut facts = facts(&element, &nothing, &nodes);
    facts.problems = vec![
        Problem::waits("ClaimPending", "claim a-data has no volume yet"),
        Problem::stalls("SecretMissing", "the Secret \"db\" is missing"),
    ];
    let status = derive(&facts);
    assert_eq!(of(&status, ConditionType::Stalled), ("True", "SecretMissing", "the Secret \"db\" is missing"));
    let (ready, reason, message) = of(&status, ConditionType::Ready);
    assert_eq!((ready, reason), ("False", "SecretMissing"));
    assert!(message.contains("a-data"), "all of it: {message}");
    assert_eq!(of(&status, ConditionType::Reconciling).1, "ClaimPending");
    let told: Vec<_> = news(&element, &status).into_iter().map(|note| note.reason).collect();
    assert_eq!(told, ["SecretMissing"], "once");
}

#[test]
fn writes_without_a_master_and_rolls_are_told() {
    let element = element("a", &json!({"mode": "rw", "backend": {"local": {"size": "1Gi"}}}));
    let (mut view, nodes) = (serving(), said("rw"));
    view.master = None;
    let mut facts = facts(&element, &view, &nodes);
    facts.step = Some(Step::Wait("pod a-0 is ending".to_owned()));
    let status = derive(&facts);
    assert_eq!(of(&status, ConditionType::Ready).1, "NoMaster");
    assert_eq!(of(&status, ConditionType::Available).0, "True");
    assert_eq!(of(&status, ConditionType::Reconciling).1, "Rolling");
    let sealed = said("ro");
    let reading = Facts { nodes: &sealed, ..facts };
    assert_eq!(of(&derive(&reading), ConditionType::Ready).0, "True", "ro needs no master");
    assert_eq!(of(&derive(&reading), ConditionType::ModeDrift).1, "NodeAhead");
}

#[test]
fn the_mode_to_be_never_falls_by_itself() {
    use Mode::{Ar, Edit, Ro, Rw};
    for (wish, mode, expected) in
        [(Rw, Rw, Rw), (Ro, Rw, Ro), (Ar, Rw, Ar), (Rw, Ro, Ro), (Ro, Ar, Ar), (Rw, Edit, Edit), (Edit, Rw, Rw)]
    {
        assert_eq!(desired(wish, mode), expected, "{wish} {mode}");
    }
}

#[test]
fn another_id_is_never_taken_for_this_elements() {
    let mut element = element("a", &json!({"mode": "rw", "backend": {"local": {"size": "1Gi"}}}));
    element.status = Some(StorageElementStatus { element_id: Some("other".to_owned()), ..Default::default() });
    let (view, nodes) = (serving(), said("rw"));
    assert_eq!(derive(&facts(&element, &view, &nodes)).element_id.as_deref(), Some("other"));
}
