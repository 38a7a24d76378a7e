//! Where the files are kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretRef;
use crate::Quantity;

/// Exactly one of `local` and `s3`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Files on a volume: a claim named `NAME-data`, made and grown by the operator and kept when the element is deleted
    /// (see `deletionPolicy`). One replica with any volume; several with a volume that many nodes can write (ReadWriteMany).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalBackend>,

    /// Files in an S3 bucket. The store must honour conditional writes (`If-None-Match`, `If-Match`): the nodes prove that at
    /// their start, and refuse a store that does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Backend>,
}

/// Files on a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalBackend {
    /// Size of the claim, such as `500Gi`. It may grow at any time, if the storage class allows it, and never becomes smaller
    /// than `status.claim.capacity`; a growth that the provisioner refuses can so be taken back.
    pub size: Quantity,

    /// The StorageClass of the claim, for good. Unset: the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::object_name")]
    pub storage_class_name: Option<String>,

    /// How the volume may be mounted, for good. More than one replica needs ReadWriteMany, and a file system on which a
    /// rename is atomic and a sync is kept (see the operator's page on network file systems). ReadWriteOncePod keeps a second
    /// pod away even on the same node.
    #[serde(default = "read_write_once")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub access_modes: Vec<AccessMode>,
}

impl LocalBackend {
    /// Whether pods on several nodes can write to the volume.
    pub fn is_shared(&self) -> bool {
        self.access_modes.contains(&AccessMode::ReadWriteMany)
    }
}

/// How a volume may be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::of_the_field)]
pub enum AccessMode {
    /// By the pods of one node.
    ReadWriteOnce,
    /// By one pod.
    ReadWriteOncePod,
    /// By pods anywhere.
    ReadWriteMany,
}

impl AccessMode {
    /// The name Kubernetes knows it by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}

/// Files in an S3 bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Backend {
    /// The bucket, for good. It has to exist.
    #[schemars(length(min = 3, max = 255), regex(pattern = "^[A-Za-z0-9][-A-Za-z0-9._]*[A-Za-z0-9]$"))]
    pub bucket: String,

    /// What every key begins with, for good: so several elements share one bucket, each below a prefix of its own. Unset: the
    /// whole bucket is this element's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^[^/\\\\\\s]+(/[^/\\\\\\s]+)*/?$"))]
    pub prefix: Option<String>,

    /// The region. Unset: what AWS tells the pods, else `us-east-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[-a-zA-Z0-9]+$"))]
    pub region: Option<String>,

    /// URL of a store that is not Amazon's, such as `https://s3.example.org`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = "^https?://[^\\s?#@]+$"))]
    pub endpoint: Option<String>,

    /// Put the bucket into the path of the URL, not into the host name. Most stores that are not Amazon's need it.
    #[serde(default)]
    pub force_path_style: bool,

    /// Secret with the keys `accessKeyID` and `secretAccessKey`. It may change at any time: nodes read it again. Unset: what
    /// the pods' service account is granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,

    /// Secret with the key `ca.crt`: authorities to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretRef>,

    /// What the element may take at most, such as `2Ti`. A bucket has no size of its own: capacity levels and
    /// `lifecycle.readOnlyAtUsedPercent` need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quantity>,
}

fn read_write_once() -> Vec<AccessMode> {
    vec![AccessMode::ReadWriteOnce]
}
