//! What the element has of its own below `.element/`: replaced whole, and only by who may.

/// A document of the element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// `.element/element.json`.
    Element,
    /// `.element/transitions/{id}.json`: the proof of a mode change, beside the data.
    Report(String),
}

impl Document {
    /// Where it is, from the root of the volume or the prefix.
    pub fn path(&self) -> String {
        match self {
            Self::Element => ".element/element.json".to_owned(),
            Self::Report(id) => format!(".element/transitions/{id}.json"),
        }
    }
}

/// A replacement that is prepared, and by whom it may be done: nobody else has come since.
#[derive(Debug)]
pub struct Prepared {
    pub(super) document: Document,
    /// The folder below `.element/staging/` (local).
    pub(super) folder: String,
    pub(super) stands: Stands,
}

/// What stood at the document's place when its replacement was prepared.
#[derive(Clone, Debug)]
pub(super) enum Stands {
    /// Not asked: its folder is what a successor takes away.
    Unasked,
    /// Nothing.
    Nothing,
    /// This version (an entity tag).
    Version(String),
}
