//! What is known of the cluster, kept current by watches: elements, and what belongs to each.

mod children;
mod elements;
mod kind;
mod trim;

use std::fmt;

pub use children::{Child, Children};
pub use elements::{Elements, Unreadable};
pub use kind::Kind;

/// Namespace and name of an element.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// A key.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
