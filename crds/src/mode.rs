//! Modes of a storage element, what each allows, and the steps between them.
//!
//! Source of the rules: the product specification, `10-node`, section Modes.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The stage of its life a storage element is in.
///
/// `edit` is a life of its own: nothing enters or leaves it. The other life is `rw → ro → ar`, one step at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = crate::schema::of_the_field)]
pub enum Mode {
    /// A working area: files may be deleted.
    Edit,
    /// Files are added and described, never deleted.
    Rw,
    /// Files are read, nothing changes.
    Ro,
    /// Sealed: only the descriptions are served, the bytes are brought back by leaving the mode.
    Ar,
}

/// Something a caller may want to do with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Add a file.
    Upload,
    /// Read a file's bytes.
    Download,
    /// Change a file's description, or its legal hold.
    Update,
    /// Delete a file.
    Delete,
    /// List files.
    List,
    /// Search files.
    Search,
    /// Read a file's metadata.
    Read,
}

impl Operation {
    /// Every operation, in the order the API lists them.
    pub const ALL: [Self; 7] =
        [Self::Upload, Self::Download, Self::Update, Self::Delete, Self::List, Self::Search, Self::Read];

    /// The name used in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Search => "search",
            Self::Read => "read",
        }
    }
}

/// What lies between two modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Both are the same mode.
    Same,
    /// One step on: `rw → ro` or `ro → ar`.
    Forward,
    /// One step back: `ro → rw` or `ar → ro`. Only when explicitly confirmed.
    Back,
    /// No such step: it skips a mode, or enters or leaves `edit`.
    Impossible,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Edit, Self::Rw, Self::Ro, Self::Ar];

    /// The name used in the API, in `element.json` and in the custom resource.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Rw => "rw",
            Self::Ro => "ro",
            Self::Ar => "ar",
        }
    }

    /// Whether this mode allows `operation`.
    pub const fn allows(self, operation: Operation) -> bool {
        match operation {
            Operation::Upload | Operation::Update => matches!(self, Self::Edit | Self::Rw),
            Operation::Download => !matches!(self, Self::Ar),
            Operation::Delete => matches!(self, Self::Edit),
            Operation::List | Operation::Search | Operation::Read => true,
        }
    }

    /// Whether anything at all may be written, and so whether a master is needed.
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::Edit | Self::Rw)
    }

    /// All operations this mode allows, in the order of [`Operation::ALL`].
    pub fn allowed_operations(self) -> impl Iterator<Item = Operation> {
        Operation::ALL.into_iter().filter(move |operation| self.allows(*operation))
    }

    /// What lies between this mode and `target`.
    pub const fn step_to(self, target: Self) -> Step {
        match (self, target) {
            (Self::Edit, Self::Edit) | (Self::Rw, Self::Rw) | (Self::Ro, Self::Ro) | (Self::Ar, Self::Ar) => Step::Same,
            (Self::Rw, Self::Ro) | (Self::Ro, Self::Ar) => Step::Forward,
            (Self::Ro, Self::Rw) | (Self::Ar, Self::Ro) => Step::Back,
            _ => Step::Impossible,
        }
    }

    /// The more restrictive of two modes, for when two records of one element differ.
    #[must_use]
    pub const fn more_restrictive(self, other: Self) -> Self {
        if self.rank() >= other.rank() { self } else { other }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Edit => 0,
            Self::Rw => 1,
            Self::Ro => 2,
            Self::Ar => 3,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMode(pub String);

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a mode: use edit, rw, ro or ar", self.0)
    }
}

impl std::error::Error for UnknownMode {}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == word).ok_or_else(|| UnknownMode(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Mode, Operation, Step};

    #[test]
    fn each_mode_allows_what_the_table_says() {
        // Columns: upload, download, update, delete, list, search, read.
        let table = [
            (Mode::Edit, [true, true, true, true, true, true, true]),
            (Mode::Rw, [true, true, true, false, true, true, true]),
            (Mode::Ro, [false, true, false, false, true, true, true]),
            (Mode::Ar, [false, false, false, false, true, true, true]),
        ];
        for (mode, allowed) in table {
            for (operation, expected) in Operation::ALL.into_iter().zip(allowed) {
                assert_eq!(mode.allows(operation), expected, "{mode} {}", operation.as_str());
            }
        }
    }

    #[test]
    fn only_the_four_single_steps_exist() {
        for from in Mode::ALL {
            for to in Mode::ALL {
                let expected = match (from.as_str(), to.as_str()) {
                    (a, b) if a == b => Step::Same,
                    ("rw", "ro") | ("ro", "ar") => Step::Forward,
                    ("ro", "rw") | ("ar", "ro") => Step::Back,
                    _ => Step::Impossible,
                };
                assert_eq!(from.step_to(to), expected, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn names_read_back() {
        for mode in Mode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
        }
        assert!("RW".parse::<Mode>().is_err());
    }
}
