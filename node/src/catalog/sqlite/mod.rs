//! The catalog in one SQLite file: for a laptop, a machine of one's own, a sealed element.
//!
//! One task owns the one connection that writes; a few connections read. An intent is on disk before it is answered, a
//! commit may lag: recovery comes before serving.

mod closing;
mod config;
mod ended;
mod error;
mod files;
mod intents;
mod jobs;
mod list;
mod log;
mod make;
mod matching;
mod names;
mod open;
mod reading;
mod rebuild;
mod relevance;
mod remembered;
mod request;
mod retention;
mod rows;
mod schema;
mod totals;
mod transitions;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::open::Place;
use self::reading::Readers;
use self::remembered::Remembered;
use self::request::{Act, Durability, Reply, Request};
use self::writer::Writer;
use super::lane::Lane;
use super::{CatalogError, CatalogResult};

/// The most work that is done in one transaction: bounds what one refused row makes to be done again.
const GROUP_LIMIT: usize = 256;
/// Work that may wait for the writer before those who bring more have to wait.
const WAITING_LIMIT: usize = 1024;

/// How a SQLite catalog is opened.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Connections that read.
    pub readers: u32,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 6 }
    }
}

/// The catalog in one SQLite file.
pub struct SqliteCatalog {
    place: Place,
    transactions: Arc<AtomicU64>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: ArcSwap<Readers>,
    remembered: Arc<Remembered>,
}

impl SqliteCatalog {
    /// Opens the file at `path`, made with its folder where it is not there, for its owner only. Does not migrate.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`] when it cannot be made or opened.
    pub async fn open(path: &Path, options: SqliteOptions) -> CatalogResult<Self> {
        let place = Place::new(path, options);
        place.make()?;
        let identity = place.identity()?;
        let conn = place.writer().await?;
        let (requests, taken) = mpsc::channel(WAITING_LIMIT);
        let transactions = Arc::new(AtomicU64::new(0));
        let lane = Lane::new(taken, GROUP_LIMIT);
        let remembered = Arc::new(Remembered::new());
        let seen = Arc::clone(&remembered);
        let writer = Writer::new(place.clone(), lane, Arc::clone(&transactions), (conn, identity), seen);
        let readers = ArcSwap::from_pointee(Readers::new(&place, identity));
        Ok(Self {
            place,
            transactions,
            requests: Mutex::new(Some(requests)),
            // Ends by itself when the catalog is dropped; `close` waits for it.
            writer: Mutex::new(Some(tokio::spawn(writer.run()))),
            readers,
            remembered,
        })
    }

    /// Gives a request to the writer and waits for its answer. Once given, the work is done even if nobody waits.
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> CatalogResult<T> {
        let closed = || CatalogError::Unavailable { action: "take a write", reason: "it is closed".to_owned() };
        let requests = self.requests.lock().clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        requests.send(request(reply)).await.map_err(|_| closed())?;
        drop(requests);
        answer.await.map_err(|_| closed())?
    }

    /// Does `work` in a transaction of its own, on the writer's connection.
    async fn act<T, F>(&self, durability: Durability, work: F) -> CatalogResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, CatalogResult<T>> + Send + 'static,
    {
        self.ask(|reply| Request::Alone(Box::new(Act::new(durability, false, work, reply)))).await
    }
}
