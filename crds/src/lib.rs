//! What the storage node and the operator share.
//!
//! The [`Mode`] of a storage element, what each mode allows, and which steps from one mode to another exist; and the API
//! object in which a person declares an element, [`StorageElement`].

mod definition;
pub mod element;
mod mode;
mod quantity;
pub mod rules;
mod schema;
pub mod status;

pub use definition::{definition, yaml};
pub use element::{StorageElement, StorageElementSpec};
pub use mode::{Mode, Operation, Step, UnknownMode};
pub use quantity::{NotAQuantity, Quantity};
pub use schema::OWNED_CONFIG_SECTIONS;
pub use status::StorageElementStatus;
