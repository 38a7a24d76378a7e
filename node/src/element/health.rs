//! Whether the parts that readiness depends on work.

use std::time::Duration;

use serde::Serialize;

use super::{Closed, Door, Element};

/// A part that has not answered for so long does not work.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// A part without which an element cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The catalog cannot be reached, and why.
    Database(String),
    /// The storage cannot be reached, and why.
    Storage(String),
}

impl Health {
    /// Of an element that is being opened, or cannot be yet for want of a part.
    pub fn starting(missing: Option<Missing>) -> Self {
        let part = || PartHealth::bad("the node is starting");
        let health = Self { database: part(), storage: part(), mode: part(), election: part() };
        match missing {
            Some(Missing::Database(why)) => Self { database: PartHealth::bad(why), ..health },
            Some(Missing::Storage(why)) => Self { storage: PartHealth::bad(why), ..health },
            None => health,
        }
    }
}

impl PartHealth {
    /// A part that works.
    pub fn good(message: impl Into<String>) -> Self {
        Self { ok: true, message: message.into() }
    }

    /// A part that does not.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { ok: false, message: message.into() }
    }
}

impl Element {
    /// The state of each part that readiness depends on. Answers within seconds even when a part hangs.
    pub async fn health(&self) -> Health {
        let (database, storage) = tokio::join!(self.database_health(), self.storage_health());
        Health { database, storage, mode: self.mode_health(), election: self.election_health() }
    }

    async fn database_health(&self) -> PartHealth {
        match tokio::time::timeout(PATIENCE, self.catalog.ping()).await {
            Ok(Ok(())) if self.catalog_trusted() => PartHealth::good("answers"),
            Ok(Ok(())) => PartHealth::bad("answers, but does not hold all files yet: recovering"),
            Ok(Err(error)) => PartHealth::bad(error.to_string()),
            Err(_) => PartHealth::bad("has not answered within 2 s"),
        }
    }

    async fn storage_health(&self) -> PartHealth {
        if let Some(reason) = self.storage.broken() {
            return PartHealth::bad(reason);
        }
        // In a sealed mode nothing is ever written, not even to see whether it could be.
        match tokio::time::timeout(PATIENCE, self.storage.probe(self.writes_here())).await {
            Ok(Ok(())) => PartHealth::good("answers"),
            // Updating, deleting and reading go on when the volume is full; uploads say so themselves.
            Ok(Err(crate::storage::StorageError::Full { .. })) => PartHealth::good("full: takes no new files"),
            Ok(Err(error)) => PartHealth::bad(error.to_string()),
            Err(_) => PartHealth::bad("has not answered within 2 s"),
        }
    }

    /// Whether this node is one that writes: only there is it worth to know whether it could.
    fn writes_here(&self) -> bool {
        self.mode().is_writable() && self.election.role() != crate::election::Role::Standby
    }

    fn mode_health(&self) -> PartHealth {
        let view = self.view();
        match view.configured_mode {
            Some(configured) if configured != view.mode => PartHealth::good(format!(
                "{}; the configuration says {configured}, which counts only for a new element",
                view.mode
            )),
            _ => PartHealth::good(view.mode.as_str()),
        }
    }

    fn election_health(&self) -> PartHealth {
        let role = match self.election.role() {
            crate::election::Role::Master => "master",
            crate::election::Role::Standby => "standby",
            crate::election::Role::Standalone => "standalone",
        };
        if matches!(self.gate().door(), Door::Closed { reason: Closed::Stopping, .. }) {
            return PartHealth::bad("stopping");
        }
        if self.election.role() == crate::election::Role::Standby {
            return match self.election.master() {
                Some(master) => PartHealth::good(format!("standby; the master is {master}")),
                None => PartHealth::good("standby; there is no master now"),
            };
        }
        match self.gate().door() {
            Door::Open(term) => PartHealth::good(format!("{role}, term {}", term.epoch)),
            Door::Closed { .. } if self.catalog_trusted() && !self.mode().is_writable() => PartHealth::good(role),
            Door::Closed { reason: Closed::Transition, .. } => {
                PartHealth::good(format!("{role}; a mode change is in progress"))
            }
            Door::Closed {
                reason: Closed::Recovering(why) | Closed::NotMaster(why) | Closed::StorageBroken(why),
                ..
            } => PartHealth::bad(why),
            Door::Closed { reason: Closed::Stopping, .. } => PartHealth::bad("stopping"),
        }
    }
}
