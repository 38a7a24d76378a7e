//! The end of an element with `deletionPolicy: Delete`: pods stop, claims and Secrets go; objects of a bucket and a schema
//! never do. With retention or a hold that still stands, or that nobody can tell about, everything stays.
//!
//! `Retain` needs none of this and has no finalizer: the cluster removes what the element owns, the rest stays.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use storage_element_crds::StorageElement;
use storage_element_crds::element::DeletionPolicy;
use storage_element_crds::status::{Condition, ConditionType};

use super::{Context, Outcome, reference};
use crate::cache::{Child, Key, Kind};
use crate::cluster::{Cause, Failure, Note};
use crate::names::{FINALIZER, Names};
use crate::node_client::Info;

/// How long the end of pods is waited for. One on a lost machine never ends, and the claim waits for it by itself.
const PODS_WITHIN: SignedDuration = SignedDuration::from_secs(120);
/// How long a node is waited for that can say what retention stands.
const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(30);
/// Reasons under which the decision stands in the status.
const DELETES: &str = "DeletingFiles";
const KEEPS: &str = "KeepingFiles";
/// How soon to look again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What is to be done: pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The files go.
    Delete,
    /// They stay, and why.
    Keep(String),
    /// A node is asked first.
    Ask,
}

/// Whether claims and Secrets go.
pub fn decide(
    policy: DeletionPolicy,
    ever_ran: bool,
    info: Option<&Info>,
    waited: SignedDuration,
    now: Timestamp,
) -> Decision {
    if policy == DeletionPolicy::Retain {
        return Decision::Keep("spec.deletionPolicy is Retain".to_owned());
    }
    if !ever_ran {
        return Decision::Delete;
    }
    let Some(retention) = info.and_then(|info| info.retention.as_ref()) else {
        if waited < ANSWER_WITHIN {
            return Decision::Ask;
        }
        return Decision::Keep("no node could say whether a retention period or a legal hold stands".to_owned());
    };
    if retention.legal_holds > 0 {
        return Decision::Keep(format!("{} files are under legal hold", retention.legal_holds));
    }
    match &retention.latest_until {
        None => Decision::Delete,
        Some(until) => match until.parse::<Timestamp>() {
            Ok(date) if date <= now => Decision::Delete,
            // A date that cannot be read stands.
            _ => Decision::Keep(format!("files are kept until {until}")),
        },
    }
}

/// Carries it out, a step at each look.
pub async fn run(context: &Context, key: &Key, element: &StorageElement) -> Result<Outcome, Failure> {
    let finalizers = element.metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(Outcome::settled());
    }
    let now = Timestamp::now();
    let since = element.metadata.deletion_timestamp.as_ref().map_or(now, |time| time.0);
    let waited = now.duration_since(since);
    let children = context.children.of(key);
    let ever_ran = element.status.as_ref().is_some_and(|status| status.element_id.is_some());
    let set = children.iter().find(|child| child.kind == Kind::StatefulSet);
    let Some(decision) = recorded(element) else {
        let nodes = context.nodes.of(key);
        let decision = decide(element.spec.deletion_policy, ever_ran, nodes.fresh(), waited, now);
        if decision == Decision::Ask {
            context.polls.add(key.clone(), Duration::ZERO);
            return Ok(Outcome::again(LOOK_AGAIN));
        }
        // Recorded before the act: once the pods are gone nobody can say it again.
        record(context, key, element, &decision, now).await?;
        return Ok(Outcome::again(Duration::ZERO));
    };
    if let Some(set) = set.filter(|set| !set.deleting) {
        context.cluster.delete(Kind::StatefulSet, key, &set.name, &set.uid).await?;
        let note = Note::done("Deleting", "the pods stop; then what belongs to the element goes");
        context.recorder.tell(&reference(element), &note).await;
        return Ok(Outcome::again(LOOK_AGAIN));
    }
    let pods = super::pods::running(&children);
    if pods > 0 && waited < PODS_WITHIN {
        return Ok(Outcome::again(LOOK_AGAIN));
    }
    let note = match decision {
        Decision::Keep(why) => kept(key, element, &why),
        _ => remove(context, key, &children).await?,
    };
    let left: Vec<String> = finalizers.into_iter().filter(|finalizer| finalizer != FINALIZER).collect();
    let version = element.metadata.resource_version.clone().unwrap_or_default();
    match context.cluster.set_finalizers(key, &version, &left).await {
        Ok(_) | Err(Failure { cause: Cause::NotFound, .. }) => {}
        Err(failure) => return Err(failure),
    }
    context.recorder.tell(&reference(element), &note).await;
    context.nodes.forget(key);
    Ok(Outcome::settled())
}

/// The decision that stands in the status.
fn recorded(element: &StorageElement) -> Option<Decision> {
    let conditions = &element.status.as_ref()?.conditions;
    let condition = conditions.iter().find(|condition| condition.type_ == ConditionType::Reconciling.as_str())?;
    match condition.reason.as_str() {
        DELETES => Some(Decision::Delete),
        KEEPS => Some(Decision::Keep(condition.message.clone())),
        _ => None,
    }
}

async fn record(
    context: &Context,
    key: &Key,
    element: &StorageElement,
    decision: &Decision,
    now: Timestamp,
) -> Result<(), Failure> {
    let (reason, message) = match decision {
        Decision::Keep(why) => (KEEPS, why.clone()),
        _ => (DELETES, "nothing keeps the files: claims and Secrets go once the pods have stopped".to_owned()),
    };
    let mut status = element.status.clone().unwrap_or_default();
    status.conditions.retain(|condition| condition.type_ != ConditionType::Reconciling.as_str());
    status.conditions.push(Condition {
        type_: ConditionType::Reconciling.as_str().to_owned(),
        status: "True".to_owned(),
        observed_generation: element.metadata.generation,
        last_transition_time: Time(now),
        reason: reason.to_owned(),
        message,
    });
    super::write_status(context, key, element, &status).await
}

async fn remove(context: &Context, key: &Key, children: &[Arc<Child>]) -> Result<Note, Failure> {
    let mut gone = Vec::new();
    for child in children {
        if matches!(child.kind, Kind::PersistentVolumeClaim | Kind::Secret) && !child.deleting {
            context.cluster.delete(child.kind, key, &child.name, &child.uid).await?;
            gone.push(format!("{} {}", child.kind, child.name));
        }
    }
    Ok(Note::done(
        "Deleted",
        format!("deleted: {}. Objects of a bucket and a schema are never deleted", gone.join(", ")),
    ))
}

/// Says what stays, and where.
pub fn kept(key: &Key, element: &StorageElement, why: &str) -> Note {
    let names = Names(&key.name);
    let spec = &element.spec;
    let mut places = Vec::new();
    if spec.backend.local.is_some() {
        places.push(format!("the files on claim {}", names.data()));
    }
    if let Some(s3) = &spec.backend.s3 {
        places.push(format!("the files in bucket {} below {:?}", s3.bucket, s3.prefix.as_deref().unwrap_or("")));
    }
    match &spec.database.postgres {
        Some(postgres) => places.push(format!("the catalog in schema {}", postgres.schema_of(&key.name))),
        None => places.push(format!("the catalog on claim {}", names.db())),
    }
    places.push(format!("keys in the Secrets {} and {}", names.issuer(), names.operator()));
    let text = format!(
        "{why}, so these stay in namespace {}: {}. The same element, applied again, has every file still there",
        key.namespace,
        places.join("; ")
    );
    Note::done("Retained", text)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::{SignedDuration, Timestamp};
    use storage_element_crds::element::DeletionPolicy::{Delete, Retain};

    use super::{Decision, decide};
    use crate::node_client::Info;

    fn info(retention: &str) -> Info {
        let text = format!(r#"{{"element_id":"e","version":"1","mode":"rw","retention":{retention}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn files_go_only_when_nothing_keeps_them_for_certain() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let (soon, late) = (SignedDuration::from_secs(1), SignedDuration::from_secs(3600));
        let keeps = |decision| matches!(decision, Decision::Keep(_));
        let free = info(r#"{"latest_until":null,"legal_holds":0}"#);
        assert_eq!(decide(Delete, true, Some(&free), soon, now), Decision::Delete);
        let past = info(r#"{"latest_until":"2026-05-01T00:00:00Z","legal_holds":0}"#);
        assert_eq!(decide(Delete, true, Some(&past), soon, now), Decision::Delete);
        assert_eq!(decide(Delete, false, None, soon, now), Decision::Delete, "it never ran: there are no files");
        assert!(keeps(decide(Retain, true, Some(&free), soon, now)));
        for standing in [
            r#"{"latest_until":"2026-07-01T00:00:00Z","legal_holds":0}"#,
            r#"{"latest_until":"nonsense","legal_holds":0}"#,
            r#"{"latest_until":null,"legal_holds":1}"#,
        ] {
            assert!(keeps(decide(Delete, true, Some(&info(standing)), soon, now)), "{standing}");
        }
        assert_eq!(decide(Delete, true, None, soon, now), Decision::Ask);
        assert!(keeps(decide(Delete, true, None, late, now)), "never without knowing, and never for ever");
        assert_eq!(decide(Delete, true, Some(&info("null")), soon, now), Decision::Ask, "the catalog does not answer");
    }
}
