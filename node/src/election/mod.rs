//! Who may write: one master at a time, by a lock on one machine or (later) by a Lease in a cluster.

pub mod lock;

/// What this node is to its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one that writes, elected through a Lease.
    Master,
    /// One that reads, and waits.
    Standby,
    /// The only one there is (the lock), or one of equals in `ro` and `ar`.
    Standalone,
}

/// The mastership this process held is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this node is no longer the master: {0}")]
pub struct MastershipLost(pub String);

/// A way to have one master. Every make passes the suite in `tests/election_suite`.
pub trait Election: Send + Sync + 'static {
    /// What this node is.
    fn role(&self) -> Role;

    /// Who holds the mastership, as it calls itself.
    fn holder(&self) -> String;

    /// Asked right before every commit point: whether the mastership still stands for certain.
    fn check(&self) -> Result<(), MastershipLost>;
}
