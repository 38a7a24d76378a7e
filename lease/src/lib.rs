//! One holder at a time, through a `coordination.k8s.io/v1` Lease: who writes among the nodes of an element, who
//! reconciles among the replicas of the operator.
mod clock;
mod keeper;
pub mod protocol;
mod settings;

pub use clock::BootInstant;
pub use keeper::{Counts, Ended, Keeper, NotHeld, StartError};
pub use protocol::Belief;
pub use settings::{Settings, SettingsError};
