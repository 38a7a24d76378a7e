//! Where things lie on a local volume.
//!
//! ```text
//! .element/element.json      what is true of the element
//! .element/lock              held by the process that serves it
//! .element/staging/{folder}/ where the next element.json is written
//! .staging/{term}/           what a term is writing: {tx}.data, {tx}.attr
//! .element/transitions/      reports of mode changes
//! .quarantine/               data that nobody knew, set aside by gc
//! .trash/{term}/             what ended terms had staged, until their transactions are settled
//! {year}/{month}/{day}/{hour}/{name} and {name}.attr.json
//! ```

use std::path::{Path, PathBuf};

use crate::model::{StoragePath, Term, TransactionId};

/// Names below the root of a volume.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn element(&self) -> PathBuf {
        self.root.join(".element")
    }

    pub(super) fn element_file(&self) -> PathBuf {
        self.root.join(".element/element.json")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join(".element/lock")
    }

    pub(super) fn element_staging(&self) -> PathBuf {
        self.root.join(".element/staging")
    }

    pub(super) fn transitions(&self) -> PathBuf {
        self.root.join(".element/transitions")
    }

    pub(super) fn quarantine(&self) -> PathBuf {
        self.root.join(".quarantine")
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.root.join(".staging")
    }

    pub(super) fn trash(&self) -> PathBuf {
        self.root.join(".trash")
    }

    pub(super) fn term_staging(&self, term: Term) -> PathBuf {
        self.root.join(format!(".staging/{term}"))
    }

    pub(super) fn staged_data(&self, term: Term, tx: TransactionId) -> PathBuf {
        self.root.join(format!(".staging/{term}/{tx}.data"))
    }

    pub(super) fn staged_attr(&self, term: Term, tx: TransactionId) -> PathBuf {
        self.root.join(format!(".staging/{term}/{tx}.attr"))
    }

    pub(super) fn data(&self, path: &StoragePath) -> PathBuf {
        self.root.join(path.as_str())
    }

    pub(super) fn attr(&self, path: &StoragePath) -> PathBuf {
        self.root.join(path.attr_path())
    }

    pub(super) fn folder(&self, path: &StoragePath) -> PathBuf {
        self.root.join(path.folder())
    }

    /// A path as it is shown to people: below the root.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}
