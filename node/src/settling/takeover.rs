//! The takeover: what a node does, in this order, before it may write. Each start is one.
//!
//! Source of the order: the product specification, `10-node`, section Fencing. It was checked with models; leaving out
//! or swapping any step loses or changes files.

use std::io;

use storage_element_crds::Mode;
use uuid::Uuid;

use crate::catalog::{Catalog, CatalogError, ConfigRow, NewElement, NewTerm};
use crate::element::{Adoption, CatalogFound, ElementFile, Found, StorageFound, Verdict, judge};
use crate::failpoint;
use crate::model::{Epoch, Nonce, Term};
use crate::storage::{Document, Storage, StorageError};

/// Why a node could not take over.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// Storage and catalog do not belong together.
    #[error("{0}")]
    Refused(String),
    /// The element's own file cannot be read.
    #[error(
        "the element's own file .element/element.json cannot be read ({0}): put back the last good copy of it; nothing \
         was changed"
    )]
    ElementFile(serde_json::Error),
    /// The catalog does not answer.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The storage does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Another node began a term in between.
    #[error("another node has begun term {0} meanwhile")]
    Overtaken(u64),
    /// A fail point of a test.
    #[error(transparent)]
    Injected(#[from] io::Error),
}

/// A term that has begun: staging of all others is gone, nothing is settled yet.
#[derive(Clone, Debug)]
pub struct TakenOver {
    /// The term.
    pub term: Term,
    /// What `element.json` says now.
    pub file: ElementFile,
    /// The cache has to be made before it is trusted.
    pub needs_rebuild: bool,
}

/// Who takes over, and with what configuration.
#[derive(Clone, Debug)]
pub struct Successor {
    /// Who is master from now on, as the catalog shows it.
    pub holder: String,
    /// Where its peer port is.
    pub address: Option<String>,
    /// What the term's epoch has to be above, whatever catalog and storage say: the Lease's transitions.
    pub above: Epoch,
    /// The mode of an element that is made now.
    pub initial_mode: Mode,
    /// The id the configuration names, if any.
    pub expected_id: Option<Uuid>,
    /// Whether a storage with a new catalog may be taken.
    pub adoption: Adoption,
}

/// Begins a term: judges identity, raises the epoch, makes other terms harmless, replaces `element.json`.
pub async fn take_over(
    storage: &dyn Storage,
    catalog: &dyn Catalog,
    successor: &Successor,
) -> Result<TakenOver, TakeoverError> {
    let nonce = Nonce::fresh();
    let Identified { mut file, row, rebuild, mode } = identify(storage, catalog, successor, nonce).await?;
    catalog.end_other_sessions(file.element_id).await?;
    let highest = row.epoch.max(file.epoch).max(storage.highest_epoch().await?.unwrap_or(0)).max(successor.above);
    let term = Term { epoch: highest + 1, nonce };
    if mode != file.mode {
        file.mode_changed_at = row.mode_changed_at;
    }
    failpoint::hit("takeover.before_epoch")?;
    let next = NewTerm {
        term,
        expected_epoch: row.epoch,
        master: successor.holder.clone(),
        master_address: successor.address.clone(),
        needs_rebuild: rebuild,
        mode,
        mode_changed_at: file.mode_changed_at,
    };
    if !catalog.begin_term(&next).await? {
        return Err(TakeoverError::Overtaken(term.epoch));
    }
    failpoint::hit("takeover.after_epoch")?;
    // In a sealed mode nothing is staged, and the volume may be mounted read-only but for `.element/`.
    if mode.is_writable() {
        storage.begin_term(term).await?;
    }
    file.mode = mode;
    file.epoch = term.epoch;
    let still_ours = |row: &ConfigRow| row.epoch == term.epoch && row.nonce == Some(term.nonce);
    write_element_file(storage, catalog, (&file, term), still_ours).await?;
    failpoint::hit("takeover.after_element_file")?;
    Ok(TakenOver { term, file, needs_rebuild: rebuild || row.needs_rebuild })
}

/// Storage and catalog, found to belong together.
struct Identified {
    file: ElementFile,
    row: ConfigRow,
    /// The catalog is older than the storage, or new.
    rebuild: bool,
    mode: Mode,
}

/// Finds out what storage and catalog hold, and makes what is new. Each crash in here leaves a state from which the
/// next start goes on: the row (epoch 0) comes first, then `element.json`, then the first term.
async fn identify(
    storage: &dyn Storage,
    catalog: &dyn Catalog,
    successor: &Successor,
    nonce: Nonce,
) -> Result<Identified, TakeoverError> {
    let file = match storage.element_file().await? {
        Some(bytes) => Some(ElementFile::parse(&bytes).map_err(TakeoverError::ElementFile)?),
        None => None,
    };
    let in_storage = match &file {
        Some(file) => StorageFound::Element(Found {
            element_id: file.element_id,
            catalog_id: file.catalog_id,
            epoch: file.epoch,
            mode: file.mode,
        }),
        None if storage.holds_files().await? => StorageFound::FilesOnly,
        None => StorageFound::Empty,
    };
    let row = catalog.config().await?;
    let in_catalog = row.as_ref().map_or(CatalogFound::Empty, |row| {
        CatalogFound::Element(Found {
            element_id: row.element_id,
            catalog_id: row.catalog_id,
            epoch: row.epoch,
            mode: row.mode,
        })
    });
    let (rebuild, mode) = match judge(in_storage, in_catalog, successor.adoption, successor.expected_id) {
        Verdict::Refuse(reason) => {
            storage.refused();
            return Err(TakeoverError::Refused(format!("{reason} (looked at storage {})", storage.place())));
        }
        Verdict::Serve { rebuild, mode } => (rebuild, Some(mode)),
        Verdict::Create { rebuild } => (rebuild, None),
        Verdict::Adopt => (true, None),
    };
    let element = match (&file, &row) {
        (Some(file), _) => file.clone(),
        // The element was being made when the process ended: go on with the ids it was given.
        (None, Some(row)) => {
            ElementFile { element_id: row.element_id, catalog_id: row.catalog_id, ..ElementFile::new(row.mode) }
        }
        (None, None) => {
            let new = ElementFile::new(successor.initial_mode);
            ElementFile { element_id: successor.expected_id.unwrap_or(new.element_id), ..new }
        }
    };
    let known = row.as_ref().map_or(0, |row| row.epoch);
    if row.is_none() {
        catalog
            .create_element(&NewElement {
                element_id: element.element_id,
                catalog_id: element.catalog_id,
                mode: element.mode,
                mode_changed_at: element.mode_changed_at,
                needs_rebuild: rebuild,
            })
            .await?;
    }
    if file.is_none() {
        // As long as no other term has begun: whoever begins one first removes what this is staged in.
        write_element_file(storage, catalog, (&element, Term { epoch: 0, nonce }), |row| row.epoch == known).await?;
    }
    let row = match row {
        Some(row) => row,
        None => catalog.config().await?.ok_or_else(|| {
            TakeoverError::Refused(
                "the catalog's singleton row was written and is not there: is another process using this catalog?"
                    .into(),
            )
        })?,
    };
    // Another element may have been made in this catalog between the first look and the write.
    if row.element_id != element.element_id {
        return Err(TakeoverError::Refused(format!(
            "the catalog holds element {}, the storage element {}: give each element a catalog of its own",
            row.element_id, element.element_id
        )));
    }
    let mode = mode.unwrap_or(element.mode);
    Ok(Identified { file: element, row, rebuild, mode })
}

/// Replaces `element.json`, unless somebody else has begun a term meanwhile. One that stops here before its folder is made
/// sees its successor's row when it wakes; one that stops later has lost the folder, or on S3 the version that it noted, to
/// its successor.
async fn write_element_file(
    storage: &dyn Storage,
    catalog: &dyn Catalog,
    (file, term): (&ElementFile, Term),
    still_ours: impl Fn(&ConfigRow) -> bool + Send,
) -> Result<(), TakeoverError> {
    let (folder, bytes) = (term.to_string(), file.to_bytes().map_err(TakeoverError::ElementFile)?);
    let prepared = storage.prepare_document(Document::Element, &folder).await?;
    match catalog.config().await? {
        Some(row) if still_ours(&row) => Ok(storage.replace_document(prepared, bytes).await?),
        _ => Err(TakeoverError::Overtaken(term.epoch)),
    }
}
