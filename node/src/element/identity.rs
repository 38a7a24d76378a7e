//! Whether this storage and this catalog belong together: decided before a byte is written to either.
//!
//! Source of the rules: the product specification, `10-node`, section The element's own file.

use storage_element_crds::Mode;
use uuid::Uuid;

use crate::model::Epoch;

/// What the storage says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageFound {
    /// No `element.json` and no files: a new volume, or one that is not mounted.
    Empty,
    /// Files, but no `element.json`: the files were copied here without it.
    FilesOnly,
    /// An element.
    Element(Found),
}

/// What the catalog says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogFound {
    /// No singleton row.
    Empty,
    /// An element's catalog.
    Element(Found),
}

/// An element as one side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The element.
    pub element_id: Uuid,
    /// The catalog that belongs to it.
    pub catalog_id: Uuid,
    /// Number of the last term known here.
    pub epoch: Epoch,
    /// The mode known here.
    pub mode: Mode,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both are new: make an element. With `rebuild`, the storage holds files to be read in first.
    Create {
        /// Files are there already.
        rebuild: bool,
    },
    /// Both belong together. With `rebuild`, the catalog is older than the storage.
    Serve {
        /// The catalog is older than the storage.
        rebuild: bool,
        /// The more restrictive of the two modes.
        mode: Mode,
    },
    /// The catalog is new, the storage is not: take it over and read it in.
    Adopt,
    /// They do not belong together, or may not.
    Refuse(String),
}

/// Who may take over a storage whose catalog is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// With the file lock: this machine's own files.
    Always,
    /// In a cluster: only the element a person named.
    Only(Option<Uuid>),
}

/// Decides what storage and catalog are to each other. `expected` is the id that the configuration names, if any.
pub fn judge(storage: StorageFound, catalog: CatalogFound, adoption: Adoption, expected: Option<Uuid>) -> Verdict {
    for (side, found) in [("storage", storage_id(storage)), ("catalog", catalog_id(catalog))] {
        if let (Some(expected), Some(found)) = (expected, found)
            && expected != found
        {
            return Verdict::Refuse(format!(
                "the configuration names element {expected}, but the {side} belongs to element {found}: point \
                 element.id, storage and database at the same element"
            ));
        }
    }
    match (storage, catalog) {
        (StorageFound::Empty, CatalogFound::Empty) => Verdict::Create { rebuild: false },
        (StorageFound::FilesOnly, CatalogFound::Empty) if adoption == Adoption::Always => {
            Verdict::Create { rebuild: true }
        }
        (StorageFound::FilesOnly, CatalogFound::Empty) => Verdict::Refuse(
            "the storage holds files without .element/element.json, and the catalog is empty: if they are to be taken \
             over, set element.adopt"
                .to_owned(),
        ),
        (StorageFound::Element(found), CatalogFound::Empty) => match adoption {
            Adoption::Always => Verdict::Adopt,
            Adoption::Only(Some(id)) if id == found.element_id => Verdict::Adopt,
            Adoption::Only(_) => Verdict::Refuse(format!(
                "the storage holds element {}, but the catalog is empty: if it is to be taken over, set \
                 element.adopt",
                found.element_id
            )),
        },
        // A row without a first term: the element was being made when the process ended, before `element.json` came.
        (StorageFound::Empty | StorageFound::FilesOnly, CatalogFound::Element(found)) if found.epoch == 0 => {
            Verdict::Create { rebuild: storage == StorageFound::FilesOnly }
        }
        (StorageFound::Empty | StorageFound::FilesOnly, CatalogFound::Element(found)) => Verdict::Refuse(format!(
            "the catalog belongs to element {}, but the storage has no .element/element.json: is the right volume \
             mounted? If the catalog is the wrong one, point the database at a new one",
            found.element_id
        )),
        (StorageFound::Element(storage), CatalogFound::Element(catalog)) => both(storage, catalog),
    }
}

fn both(storage: Found, catalog: Found) -> Verdict {
    if storage.element_id != catalog.element_id {
        return Verdict::Refuse(format!(
            "the storage holds element {}, the catalog belongs to element {}: one of the two is another element's",
            storage.element_id, catalog.element_id
        ));
    }
    if storage.catalog_id != catalog.catalog_id {
        return Verdict::Refuse(format!(
            "element {} is kept with catalog {}, this is catalog {}: a second catalog of the same element. Point the \
             database at the first, or at a new, empty one",
            storage.element_id, storage.catalog_id, catalog.catalog_id
        ));
    }
    Verdict::Serve { rebuild: catalog.epoch < storage.epoch, mode: storage.mode.more_restrictive(catalog.mode) }
}

fn storage_id(found: StorageFound) -> Option<Uuid> {
    match found {
        StorageFound::Element(found) => Some(found.element_id),
        StorageFound::Empty | StorageFound::FilesOnly => None,
    }
}

fn catalog_id(found: CatalogFound) -> Option<Uuid> {
    match found {
        CatalogFound::Element(found) => Some(found.element_id),
        CatalogFound::Empty => None,
    }
}

#[cfg(test)]
mod tests {
    use storage_element_crds::Mode;
    use uuid::Uuid;

    use super::{Adoption, CatalogFound, Found, StorageFound, Verdict, judge};

    fn found(element: u128, catalog: u128, epoch: u64, mode: Mode) -> Found {
        Found { element_id: Uuid::from_u128(element), catalog_id: Uuid::from_u128(catalog), epoch, mode }
    }

    fn refused(verdict: &Verdict, about: &str) -> bool {
        matches!(verdict, Verdict::Refuse(reason) if reason.contains(about))
    }

    #[test]
    fn the_table_of_the_specification() {
        use CatalogFound as C;
        use StorageFound as S;
        let here = found(1, 2, 5, Mode::Rw);
        let always = |s, c| judge(s, c, Adoption::Always, None);
        assert_eq!(always(S::Empty, C::Empty), Verdict::Create { rebuild: false });
        assert_eq!(always(S::FilesOnly, C::Empty), Verdict::Create { rebuild: true });
        assert_eq!(always(S::Element(here), C::Empty), Verdict::Adopt);
        assert_eq!(always(S::Element(here), C::Element(here)), Verdict::Serve { rebuild: false, mode: Mode::Rw });
        let older = found(1, 2, 4, Mode::Rw);
        assert_eq!(always(S::Element(here), C::Element(older)), Verdict::Serve { rebuild: true, mode: Mode::Rw });
        let newer_sealed = found(1, 2, 6, Mode::Ro);
        let sealed = Verdict::Serve { rebuild: false, mode: Mode::Ro };
        assert_eq!(always(S::Element(here), C::Element(newer_sealed)), sealed);
        assert!(refused(&always(S::Empty, C::Element(here)), "is the right volume"));
        assert!(refused(&always(S::FilesOnly, C::Element(here)), "is the right volume"));
        let half_made = C::Element(found(1, 2, 0, Mode::Rw));
        assert_eq!(always(S::Empty, half_made), Verdict::Create { rebuild: false });
        assert_eq!(always(S::FilesOnly, half_made), Verdict::Create { rebuild: true });
        assert!(refused(&always(S::Element(here), C::Element(found(9, 2, 5, Mode::Rw))), "another element's"));
        assert!(refused(&always(S::Element(here), C::Element(found(1, 9, 5, Mode::Rw))), "second catalog"));
    }

    #[test]
    fn with_a_lease_only_a_named_element_is_adopted() {
        let here = StorageFound::Element(found(1, 2, 5, Mode::Rw));
        let adopt = |id| judge(here, CatalogFound::Empty, Adoption::Only(id), None);
        assert!(refused(&adopt(None), "element.adopt"));
        assert!(refused(&adopt(Some(Uuid::from_u128(7))), "element.adopt"));
        assert_eq!(adopt(Some(Uuid::from_u128(1))), Verdict::Adopt);
    }

    #[test]
    fn an_id_in_the_configuration_must_be_the_one_found() {
        let here = StorageFound::Element(found(1, 2, 5, Mode::Rw));
        let verdict = judge(here, CatalogFound::Empty, Adoption::Always, Some(Uuid::from_u128(3)));
        assert!(refused(&verdict, "the configuration names element"));
    }
}
