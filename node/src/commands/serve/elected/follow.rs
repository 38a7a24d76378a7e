//! Following the element's row: what the master, or in `ro` and `ar` any node, has changed is in force here within two
//! seconds, and at once where the database tells of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::catalog::{CatalogError, ConfigRow};
use crate::commands::opening::{OpeningError, Rooms};
use crate::element::{Element, ElementFile};

/// How often the row is looked at without being told.
const EVERY: Duration = Duration::from_secs(1);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was seen.
#[derive(Clone, Debug)]
pub(super) enum Sighting {
    /// Nothing yet.
    Nothing,
    /// A catalog without an element, or without a schema: the master makes both.
    New,
    /// The element.
    Element(Box<(ConfigRow, Option<ElementFile>)>),
    /// A catalog that this program can never use, and why.
    Unusable(String),
}

/// Looks at the element's row for as long as the process lives.
pub(super) struct Follower {
    rooms: Arc<Rooms>,
    element: OnceLock<Arc<Element>>,
    /// The latest `element.json`, and the version of the row that it was read after.
    file: Mutex<Option<(i64, Option<ElementFile>)>>,
}

impl Follower {
    pub(super) fn new(rooms: Arc<Rooms>) -> Self {
        Self { rooms, element: OnceLock::new(), file: Mutex::new(None) }
    }

    /// From now on `element` is told what was seen.
    pub(super) fn tells(&self, element: &Arc<Element>) {
        let _ = self.element.set(Arc::clone(element));
    }

    /// Follows until told to stop.
    pub(super) async fn run(self: Arc<Self>, tell: watch::Sender<Sighting>, stop: CancellationToken) {
        let mut usable = false;
        let mut failing = false;
        let mut news = std::pin::pin!(self.rooms.catalog.changed());
        loop {
            match timeout(PATIENCE, self.look(&mut usable)).await {
                Ok(Ok(sighting)) => {
                    failing = false;
                    tell.send_replace(sighting);
                }
                Ok(Err(error)) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "the element's row cannot be followed now");
                }
                Ok(Err(_)) | Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut news => news.set(self.rooms.catalog.changed()),
                () = sleep(EVERY) => {}
            }
        }
    }

    async fn look(&self, usable: &mut bool) -> Result<Sighting, OpeningError> {
        let catalog = &self.rooms.catalog;
        if !*usable {
            match catalog.check_schema().await {
                Ok(()) => *usable = true,
                Err(CatalogError::SchemaOlder { .. }) => return Ok(Sighting::New),
                Err(error @ CatalogError::SchemaNewer { .. }) => return Ok(Sighting::Unusable(error.to_string())),
                Err(error) => return Err(error.into()),
            }
        }
        let changes = self.element.get().map(|element| element.changes());
        let Some(row) = catalog.config().await? else { return Ok(Sighting::New) };
        let (row, file) = match self.known_file(&row) {
            Some(file) => (row, Some(file)),
            None => {
                // The file first: a takeover writes the row before it, so the row is never the older of the two.
                let file = self.rooms.storage.element_file().await?;
                let file = file.and_then(|bytes| ElementFile::parse(&bytes).ok());
                let Some(row) = catalog.config().await? else { return Ok(Sighting::New) };
                *self.file.lock() = Some((row.row_version, file.clone()));
                (row, file)
            }
        };
        if let (Some(element), Some(file), Some(changes)) = (self.element.get(), &file, changes) {
            element.follow(&row, file.clone(), changes);
        }
        Ok(Sighting::Element(Box::new((row, file))))
    }

    /// `element.json`, if it need not be read again: the row has not changed since, and both say the same.
    fn known_file(&self, row: &ConfigRow) -> Option<ElementFile> {
        let known = self.file.lock();
        let (version, file) = known.as_ref()?;
        let file = file.as_ref().filter(|file| file.mode == row.mode && file.epoch == row.epoch);
        file.filter(|_| *version == row.row_version).cloned()
    }
}
