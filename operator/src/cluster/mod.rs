//! The API server as the operator uses it. Every call names what it is about, has a time limit, and sorts its failure.

mod counted;
mod events;
mod failure;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use serde_json::{Value, json};
use storage_element_crds::StorageElement;

pub use events::{Note, Recorder, cut};
pub use failure::{Cause, Failure};

use crate::cache::{Key, Kind};
use crate::metrics::Metrics;
use crate::names::{ELEMENT_LABEL, MANAGER};
use counted::Counted;

/// The longest a call may take, answer included.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// What is known of an object that the watches do not show.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The UID of the controller that owns it.
    pub owner: Option<String>,
    /// The element its label names.
    pub element: Option<String>,
    /// The operator has applied it before: the API server's own record says so.
    pub applied_by_us: bool,
    /// It is on its way out.
    pub deleting: bool,
}

/// The API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// Connects as the environment says: in a cluster by its service account, else by the kubeconfig.
    ///
    /// # Errors
    /// When there is neither.
    pub async fn connect(metrics: Arc<Metrics>, exit_after_writes: Option<u64>) -> anyhow::Result<Self> {
        let config = Config::infer().await?;
        let client = ClientBuilder::try_from(config)?.with_layer(&Counted::new(metrics, exit_after_writes)).build();
        Ok(Self { client })
    }

    /// The client, for watches.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Objects of `kind` in a namespace.
    pub fn api(&self, kind: Kind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &kind.resource())
    }

    fn elements(&self, namespace: &str) -> Api<StorageElement> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Whether the cluster knows the kind.
    pub async fn knows(&self, kind: Kind) -> Result<bool, Failure> {
        let resource = kind.resource();
        let what = format!("ask for the resources of {}", resource.api_version);
        let found = within(&what, self.client.list_api_group_resources(&resource.api_version)).await;
        match found {
            Ok(list) => Ok(list.resources.iter().any(|found| found.name == resource.plural)),
            Err(Failure { cause: Cause::NotFound, .. }) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Server-side apply. The fields in `wish` become the operator's, whoever had them; all others are left alone.
    pub async fn apply(&self, kind: Kind, key: &Key, name: &str, wish: &Value) -> Result<DynamicObject, Failure> {
        let what = format!("apply {kind} {}/{name}", key.namespace);
        let params = PatchParams::apply(MANAGER).force();
        within(&what, self.api(kind, &key.namespace).patch(name, &params, &Patch::Apply(wish))).await
    }

    /// Makes an object that must not be there yet.
    pub async fn create(&self, kind: Kind, key: &Key, name: &str, wish: &Value) -> Result<DynamicObject, Failure> {
        let what = format!("create {kind} {}/{name}", key.namespace);
        let object: DynamicObject = serde_json::from_value(wish.clone())
            .map_err(|error| Failure { what: what.clone(), cause: Cause::Refused(error.to_string()) })?;
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        within(&what, self.api(kind, &key.namespace).create(&params, &object)).await
    }

    /// Deletes the object with this UID and no other. One that is gone is fine.
    pub async fn delete(&self, kind: Kind, key: &Key, name: &str, uid: &str) -> Result<(), Failure> {
        let what = format!("delete {kind} {}/{name}", key.namespace);
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        match within(&what, self.api(kind, &key.namespace).delete(name, &params)).await {
            // Another UID by now: what was to go is gone.
            Ok(_) | Err(Failure { cause: Cause::NotFound | Cause::Conflict(_), .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// What an object is, by its metadata alone: a user's Secret is never read.
    pub async fn find(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Found>, Failure> {
        let what = format!("look for {kind} {namespace}/{name}");
        let found = within(&what, self.api(kind, namespace).get_metadata_opt(name)).await?;
        Ok(found.map(|object| {
            let metadata = object.metadata;
            let owners = metadata.owner_references.unwrap_or_default();
            Found {
                owner: owners.into_iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid),
                element: metadata.labels.unwrap_or_default().remove(ELEMENT_LABEL),
                applied_by_us: metadata
                    .managed_fields
                    .unwrap_or_default()
                    .iter()
                    .any(|entry| entry.manager.as_deref() == Some(MANAGER)),
                deleting: metadata.deletion_timestamp.is_some(),
            }
        }))
    }

    /// Sets a label of a pod.
    pub async fn label_pod(&self, key: &Key, pod: &str, label: &str, value: &str) -> Result<DynamicObject, Failure> {
        let what = format!("label Pod {}/{pod}", key.namespace);
        let patch = json!({"metadata": {"labels": {label: value}}});
        within(&what, self.api(Kind::Pod, &key.namespace).patch(pod, &PatchParams::default(), &Patch::Merge(patch)))
            .await
    }

    /// Writes the whole status.
    pub async fn write_status(&self, key: &Key, uid: &str, status: &Value) -> Result<StorageElement, Failure> {
        let what = format!("write the status of {key}");
        let wish = json!({
            "apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement",
            // Not that of another element of this name.
            "metadata": {"name": key.name, "namespace": key.namespace, "uid": uid},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        within(&what, self.elements(&key.namespace).patch_status(&key.name, &params, &Patch::Apply(&wish))).await
    }

    /// Replaces the finalizers of the element as it was seen at `version`.
    pub async fn set_finalizers(
        &self,
        key: &Key,
        version: &str,
        finalizers: &[String],
    ) -> Result<StorageElement, Failure> {
        let what = format!("set the finalizers of {key}");
        let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        within(&what, self.elements(&key.namespace).patch(&key.name, &params, &Patch::Merge(patch))).await
    }
}

async fn within<T>(what: &str, call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| Failure::of(what, &error)),
        Err(_) => Err(Failure::timed_out(what)),
    }
}
