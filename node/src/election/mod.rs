//! Who may write: one master at a time, by a lock on one machine or by a Lease in a cluster.

pub mod claim;
pub mod lease;
pub mod lock;
mod mastership;

use std::time::Duration;

use async_trait::async_trait;

pub use self::mastership::{MasterSeen, Mastership};

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

/// How many renewals there were, by outcome.
pub type Renewals = [(&'static str, u64); 4];

/// A lock that a server holds for this process, and that may be lost while the process lives.
#[async_trait]
pub trait RemoteLock: Send + Sync + 'static {
    /// Why it is lost, if it is.
    fn lost(&self) -> Option<String>;

    /// Waits until it is lost, and says why.
    async fn until_lost(&self) -> String;

    /// Gives it back, where that takes more than the end of this process.
    async fn release(&self) {}
}

/// A way to have one master. Every make passes the suite in `tests/election_suite`.
#[async_trait]
pub trait Election: Send + Sync + 'static {
    /// What this node is.
    fn role(&self) -> Role;

    /// Who holds the mastership, as it calls itself.
    fn holder(&self) -> String;

    /// What this node is called, the same after a restart.
    fn node(&self) -> String {
        self.holder()
    }

    /// Who is master, as far as it is known here.
    fn master(&self) -> Option<String> {
        Some(self.holder())
    }

    /// How long ago the Lease was last renewed, by whoever holds it; `None` where there is none, or nobody has.
    fn since_renewal(&self) -> Option<Duration> {
        None
    }

    /// Renewals of the Lease by this process; `None` without a Lease.
    fn renewals(&self) -> Option<Renewals> {
        None
    }

    /// Asked right before every commit point: whether the mastership still stands for certain.
    fn check(&self) -> Result<(), MastershipLost>;

    /// Waits until the mastership is lost in a way that only the end of this process answers.
    async fn ended(&self) -> MastershipLost {
        std::future::pending().await
    }

    /// Gives back what others would else wait for, at the end of this process and after its last write.
    async fn release(&self) {}
}
