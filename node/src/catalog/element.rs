//! The singleton row (id 1): what is true of the element as a whole.

use serde::Serialize;
use storage_element_crds::Mode;
use uuid::Uuid;

use super::Transition;
use crate::model::{Epoch, Nonce, Term, Timestamp};

/// The singleton row (id 1): what is true of the element as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigRow {
    /// The element.
    pub element_id: Uuid,
    /// This catalog; `element.json` carries it too.
    pub catalog_id: Uuid,
    /// The mode.
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
    /// By whom.
    pub mode_changed_by: Option<String>,
    /// A mode change on its way.
    pub transition: Option<Transition>,
    /// Until when new intents are refused for it, by the catalog's clock.
    pub prepared_until: Option<Timestamp>,
    /// Number of the running term; 0 before the first.
    pub epoch: Epoch,
    /// Its nonce.
    pub nonce: Option<Nonce>,
    /// Rises with every change of this row.
    pub row_version: i64,
    /// Who is master.
    pub master: Option<String>,
    /// Where its peer port is.
    pub master_address: Option<String>,
    /// Since when.
    pub master_elected_at: Option<Timestamp>,
    /// When the cache was last made again.
    pub last_cache_rebuild: Option<Timestamp>,
    /// The cache does not hold the storage's files yet: a rebuild has to end before reads trust it.
    pub needs_rebuild: bool,
    /// When the row came.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The first content of the singleton row.
#[derive(Clone, Debug)]
pub struct NewElement {
    /// The element.
    pub element_id: Uuid,
    /// This catalog.
    pub catalog_id: Uuid,
    /// Its mode.
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
    /// The storage already holds files that this catalog does not know.
    pub needs_rebuild: bool,
}

/// A term about to begin.
#[derive(Clone, Debug)]
pub struct NewTerm {
    /// The term.
    pub term: Term,
    /// The highest epoch this caller has seen in the row: the term begins only if the row still says so.
    pub expected_epoch: Epoch,
    /// Who is master from now on.
    pub master: String,
    /// Where its peer port is.
    pub master_address: Option<String>,
    /// Set `needs_rebuild` in the same statement: raising the epoch destroys the evidence that the catalog is old.
    pub needs_rebuild: bool,
    /// Write this mode in the same statement (the more restrictive of catalog and `element.json`).
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
}
