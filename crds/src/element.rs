//! What a person declares: the `spec` of a `StorageElement`.
//!
//! Source: the product specification, `20-operator`, The custom resource. Names are chosen for good: a later version only
//! adds optional fields. The doc comments are what `kubectl explain` prints. What one field cannot say by itself stands in
//! [`crate::rules`].

#![expect(clippy::duplicated_attributes, reason = "each printer column has a type and a priority")]

mod auth;
mod backend;
mod database;
mod life;
mod network;
mod pod_template;
mod secret_ref;
mod timing;

pub use auth::{Auth, Jwt, Keys};
pub use backend::{AccessMode, Backend, LocalBackend, S3Backend};
pub use database::{Database, EmbeddedDatabase, PostgresDatabase};
pub use life::{Adopt, DeletionPolicy, Lifecycle, Retention};
pub use network::{Monitoring, NetworkPolicySettings, ServiceSettings, ServiceType, Tls};
pub use pod_template::{ImagePullPolicy, PodTemplate};
pub use secret_ref::{SecretKeyRef, SecretRef};
pub use timing::{Election, Rollback, Transition, Verify};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Mode;
use crate::status::StorageElementStatus;

/// What you want: the mode, where files and catalog are kept, and how the nodes run.
///
/// Only `mode` and `backend` are required; without the rest one node runs with SQLite on a claim of 5Gi.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "storage.artstore.dev",
    version = "v1alpha1",
    kind = "StorageElement",
    plural = "storageelements",
    singular = "storageelement",
    shortname = "se",
    namespaced,
    status = "StorageElementStatus",
    derive = "PartialEq",
    doc = "A storage element keeps an organisation's files for years, each with its own description beside it. Declare it, and the operator keeps its nodes running and moves it through its life, from working area to sealed archive.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".status.mode",
        description = "The mode in force: edit, rw, ro or ar"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether reads, and in edit and rw writes, are served"
    ),
    printcolumn(
        name = "Master",
        type_ = "string",
        json_path = ".status.master.pod",
        description = "The pod that takes writes"
    ),
    printcolumn(
        name = "Backend",
        type_ = "string",
        json_path = ".status.backend",
        description = "Where the files are kept: local or s3"
    ),
    printcolumn(
        name = "Files",
        type_ = "integer",
        json_path = ".status.files.active",
        description = "Files that can be listed"
    ),
    printcolumn(
        name = "Used",
        type_ = "string",
        json_path = ".status.capacity.used",
        description = "Space taken by them and by what waits to be purged"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Age of this object, not of the element's files"
    ),
    printcolumn(
        name = "Transition",
        type_ = "string",
        json_path = ".status.transition.phase",
        description = "Phase of the last change of mode",
        priority = 1
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".status.readyReplicas",
        description = "Nodes that are ready",
        priority = 1
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.version",
        description = "Version of the nodes",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct StorageElementSpec {
    /// The mode you ask for. `edit` is a working area in which files may be deleted; it is never left and never entered.
    /// `rw` takes files and never deletes them, `ro` only serves them, `ar` is sealed and serves descriptions only.
    /// `rw → ro → ar` goes one step at a time, judged against `status.mode`; setting it back to `status.mode` cancels a step
    /// that is not committed yet. A step back needs `transition.rollback`.
    pub mode: Mode,

    /// How many nodes run. One takes the writes, the others serve reads and take over. More than one needs shared storage
    /// (`backend.s3`, or `backend.local` with ReadWriteMany) and `database.postgres`. 0 hibernates the element: nothing runs,
    /// everything is kept.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 64))]
    pub replicas: i32,

    /// Where the files and their descriptions are kept: exactly one of `local` and `s3`, for good.
    pub backend: Backend,

    /// Where the catalog (index, search, log of intents) is kept: exactly one of `embedded` and `postgres`, for good. It is a
    /// cache of the files' descriptions and can be made again from them. Unset: `embedded` with 5Gi.
    #[serde(default)]
    pub database: Database,

    /// Take over storage that already holds an element, for example when its catalog was lost, or when it comes from another
    /// cluster: the catalog is made again from the files. Without it, storage that holds files of which the catalog knows
    /// nothing is refused. May be set and removed at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Adopt>,

    /// How long files are kept.
    #[serde(default)]
    pub retention: Retention,

    /// When the mode moves forward by itself. It never moves back by itself, and never in `edit`. Ages are those of the
    /// element, counted from the day its storage was first used, not from this object's. Unset: only `mode` moves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,

    /// Who may call the nodes.
    #[serde(default)]
    pub auth: Auth,

    /// How a change of mode is carried out (files are checked while writes go on, then running writes end, then the element
    /// takes the mode), and the permission for a step back.
    #[serde(default)]
    pub transition: Transition,

    /// Timings of the choice of the master. The defaults move writes to a standby within about 20 seconds of a master's
    /// death. `leaseDurationSeconds` must be longer than `renewDeadlineSeconds`, and that longer than 1.2 ×
    /// `retryPeriodSeconds`.
    #[serde(default)]
    pub election: Election,

    /// What happens to claims and key Secrets when this object is deleted. `Retain` keeps all of them, so that the same
    /// object, applied again, has every file still there. `Delete` removes them, unless a retention period or a legal hold
    /// still stands. Objects in a bucket and a schema in PostgreSQL are never removed.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Leave everything as it is: the operator changes nothing until this is false again. Nodes go on serving.
    #[serde(default)]
    pub paused: bool,

    /// The node's own settings, with the keys of its configuration file (`limits`, `cache`, `capacity`, `logging`, `metrics`,
    /// `tracing`). A change restarts the nodes one after the other. The sections that the operator writes (`element`,
    /// `election`, `storage`, `database`, `auth`, `retention`, `tls`, `server`, `peer`) are refused: their fields are here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "crate::schema::config")]
    pub config: Map<String, Value>,

    /// How the nodes' pods look: image, resources, where they run. The fields mean what they mean in a pod; what the operator
    /// sets for safety (no root, read-only root file system, no privileges, probes, spreading over nodes and zones) stays.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pod_template: PodTemplate,

    /// The Service that clients use. Unset: a ClusterIP Service named as the element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSettings>,

    /// Serve the API over HTTPS. Unset: plain HTTP, for use behind a gateway that ends TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// How Prometheus finds the nodes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub monitoring: Monitoring,

    /// Who may connect to the nodes.
    #[serde(default)]
    pub network_policy: NetworkPolicySettings,
}

const fn one() -> i32 {
    1
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
