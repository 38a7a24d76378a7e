//! Who may do what: tokens, keys, roles, and the audit trail.

mod caller;

pub use caller::{Caller, Role};
