//! `element.json`: what must outlive the database.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use storage_element_crds::Mode;
use uuid::Uuid;

use crate::model::{Epoch, Timestamp};

/// The schema this version writes.
pub const ELEMENT_SCHEMA_VERSION: u32 = 1;

/// The content of `.element/element.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElementFile {
    /// Version of this schema.
    pub schema_version: u32,
    /// The element.
    pub element_id: Uuid,
    /// The catalog that belongs to it.
    pub catalog_id: Uuid,
    /// When the element was made.
    pub created_at: Timestamp,
    /// The mode in force.
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
    /// Number of the last term that began.
    pub epoch: Epoch,
    /// The last mode change that was done.
    pub last_transition_id: Option<String>,
    /// The last rollback that was done.
    pub last_rollback_id: Option<String>,
    /// Lifecycle rules that stay off until their value changes, by name.
    #[serde(default)]
    pub lifecycle_off: Map<String, Value>,
    /// What a newer version of the program wrote; kept in every rewrite.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl ElementFile {
    /// The file of an element that is made now.
    pub fn new(mode: Mode) -> Self {
        let now = Timestamp::now();
        Self {
            schema_version: ELEMENT_SCHEMA_VERSION,
            element_id: Uuid::new_v4(),
            catalog_id: Uuid::new_v4(),
            created_at: now,
            mode,
            mode_changed_at: now,
            epoch: 0,
            last_transition_id: None,
            last_rollback_id: None,
            lifecycle_off: Map::new(),
            unknown: Map::new(),
        }
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is not what this version can read.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The file's bytes: pretty-printed JSON with a line end.
    ///
    /// # Errors
    /// Never in practice: every field is a JSON value.
    pub fn to_bytes(&self) -> Result<Bytes, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes.into())
    }
}
