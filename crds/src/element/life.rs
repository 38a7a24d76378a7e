//! How long files are kept, when the mode moves by itself, and what deletion leaves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The element that the storage is said to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Adopt {
    /// Id of that element, as `.element/element.json` on the storage says it. Where `status.elementID` is set it must be the
    /// same.
    #[serde(rename = "elementID")]
    #[schemars(schema_with = "crate::schema::uuid")]
    pub element_id: String,
}

/// How long files are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// No file can be deleted before it is this many days old. 0: no minimum. A file's own date may be later, never sooner.
    #[serde(default)]
    #[schemars(range(min = 0, max = 73_000))]
    pub minimum_days: u32,

    /// Only in `edit`: files expire by themselves when they are this many days old. Not less than `minimumDays`. Unset:
    /// never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 73_000))]
    pub time_to_live_days: Option<u32>,

    /// For this many hours the bytes of a deleted file stay on the storage.
    #[serde(default = "one_day")]
    #[schemars(range(min = 0, max = 87_600))]
    pub deleted_grace_hours: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { minimum_days: 0, time_to_live_days: None, deleted_grace_hours: one_day() }
    }
}

/// When the mode moves forward by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct Lifecycle {
    /// `rw` becomes `ro` when the element is this many days old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 73_000))]
    pub read_only_after_days: Option<u32>,

    /// `rw` becomes `ro` when this many percent of the total are taken. Needs a total: `backend.local`, or
    /// `backend.s3.quota`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub read_only_at_used_percent: Option<u32>,

    /// `ro` becomes `ar` when the element is this many days old. More than `readOnlyAfterDays`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 73_000))]
    pub archive_after_days: Option<u32>,
}

/// What happens to claims and key Secrets when the object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay.
    #[default]
    Retain,
    /// They are deleted, unless retention or a legal hold stands.
    Delete,
}

const fn one_day() -> u32 {
    24
}
