//! What is true of the element as a whole: identity, mode, term, capacity, and whether it takes writes now.

mod capacity;

use serde::Serialize;
use storage_element_crds::Mode;
use uuid::Uuid;

pub use capacity::{Capacity, Level};

use crate::catalog::Transition;
use crate::election::Role;
use crate::model::{Epoch, Timestamp};

/// What the element is right now, taken at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ElementView {
    /// The element.
    pub element_id: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// The mode in force.
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
    /// The mode the configuration names; `None` where an operator decides it.
    pub configured_mode: Option<Mode>,
    /// Number of the running term.
    pub epoch: Epoch,
    /// What this node is.
    pub role: Role,
    /// Who is master.
    pub master: Option<String>,
    /// A mode change on its way, and until when it holds the door.
    pub transition: Option<(Transition, Option<Timestamp>)>,
    /// The last mode change that was done.
    pub last_transition_id: Option<String>,
    /// The last rollback that was done.
    pub last_rollback_id: Option<String>,
}

/// Whether a part of the node works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartHealth {
    /// Whether it works.
    pub ok: bool,
    /// What is wrong, or what it is.
    pub message: String,
}

/// The state of each part that readiness depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The catalog.
    pub database: PartHealth,
    /// The storage.
    pub storage: PartHealth,
    /// The mode, and whether the configured one differs.
    pub mode: PartHealth,
    /// Who is master, and whether settling is done.
    pub election: PartHealth,
}

/// The element as this node serves it.
pub struct Element {}

impl Element {
    /// What the element is right now.
    pub fn view(&self) -> ElementView {
        unimplemented!()
    }

    /// How full it is. Cached for a second.
    pub async fn capacity(&self) -> Capacity {
        unimplemented!()
    }

    /// The state of each part that readiness depends on. Answers within seconds even when a part hangs.
    pub async fn health(&self) -> Health {
        unimplemented!()
    }
}
