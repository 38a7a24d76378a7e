//! One look at one element: read → validate → build → apply → status. Only the first and the last two talk.

mod apply;
mod contains;
mod context;
mod deletion;
mod image;
mod keys;
mod mode;
mod pods;
mod problem;
mod prune;
mod references;
mod roles;
mod roll;
mod status;
mod steps;
mod view;

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use storage_element_crds::element::DeletionPolicy;
use storage_element_crds::{StorageElement, StorageElementStatus};

pub use context::{Context, Seen};
pub use pods::PodView;
pub use view::{master_pod, pods_of};

use crate::cache::{Key, Unreadable};
use crate::cluster::{Cause, Failure, Note};
use crate::names::{FINALIZER, Names};
use problem::Problem;

/// How a look ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When to look again, if nothing happens before.
    pub again: Option<Duration>,
}

impl Outcome {
    /// Nothing is left to do until something changes.
    pub const fn settled() -> Self {
        Self { again: None }
    }

    /// Look again after this.
    pub const fn again(after: Duration) -> Self {
        Self { again: Some(after) }
    }
}

/// Why a step did not go on.
#[derive(Debug)]
pub enum Stop {
    /// Told in the status.
    Problem(Problem),
    /// The cache has to catch up first.
    Again,
    /// Tried again.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Looks at an element and does what is to be done.
///
/// # Errors
/// When it is to be tried again.
pub async fn reconcile(context: &Context, key: &Key) -> Result<Outcome, Failure> {
    let Some(element) = context.elements.get(key) else {
        gone(context, key).await;
        return Ok(Outcome::settled());
    };
    if element.metadata.deletion_timestamp.is_some() {
        return deletion::run(context, key, &element).await;
    }
    if let Some(wanted) = finalizers(&element) {
        let version = element.metadata.resource_version.clone().unwrap_or_default();
        let element = context.cluster.set_finalizers(key, &version, &wanted).await?;
        context.elements.put_readable(element);
        return Ok(Outcome::again(Duration::ZERO));
    }
    steps::run(context, key, &element).await
}

/// What is left to say about an element that is not there, or cannot be read.
async fn gone(context: &Context, key: &Key) {
    context.nodes.forget(key);
    let names = Names(&key.name);
    for name in [names.issuer(), names.operator()] {
        context.maker.written(&format!("{}/{name}", key.namespace));
    }
    if let Some(Unreadable { uid, reason }) = context.elements.unreadable(key) {
        let note = Note::warning(
            "Unreadable",
            format!("this version of the operator cannot read the object and leaves everything as it is: {reason}"),
        );
        let about = ObjectReference {
            api_version: Some(StorageElement::api_version(&()).into_owned()),
            kind: Some(StorageElement::kind(&()).into_owned()),
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            uid: Some(uid),
            ..ObjectReference::default()
        };
        context.recorder.tell(&about, &note).await;
    }
    if let Some(departed) = context.elements.departed(key)
        && departed.spec.deletion_policy == DeletionPolicy::Retain
    {
        let note = deletion::kept(key, &departed, "spec.deletionPolicy is Retain");
        context.recorder.tell(&reference(&departed), &note).await;
    }
}

/// The finalizers as they should be, if they are not: one with `Delete`, none with `Retain`.
fn finalizers(element: &StorageElement) -> Option<Vec<String>> {
    let mut finalizers = element.metadata.finalizers.clone().unwrap_or_default();
    let has = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    let wants = element.spec.deletion_policy == DeletionPolicy::Delete;
    if has == wants {
        return None;
    }
    finalizers.retain(|finalizer| finalizer != FINALIZER);
    if wants {
        finalizers.push(FINALIZER.to_owned());
    }
    Some(finalizers)
}

/// Writes the status, if it is another.
async fn write_status(
    context: &Context,
    key: &Key,
    element: &StorageElement,
    status: &StorageElementStatus,
) -> Result<(), Failure> {
    if element.status.as_ref() == Some(status) {
        return Ok(());
    }
    let what = || format!("write the status of {key}");
    let uid = element.metadata.uid.as_deref().unwrap_or_default();
    let value = serde_json::to_value(status)
        .map_err(|error| Failure { what: what(), cause: Cause::Refused(error.to_string()) })?;
    match context.cluster.write_status(key, uid, &value).await {
        Ok(element) => {
            context.elements.put_readable(element);
            Ok(())
        }
        // Gone meanwhile: nobody is left to tell.
        Err(Failure { cause: Cause::NotFound | Cause::NamespaceGone, .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// What Events are about.
fn reference(element: &StorageElement) -> ObjectReference {
    element.object_ref(&())
}
