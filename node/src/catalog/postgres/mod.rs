//! The catalog in a schema of a PostgreSQL database: for deployments, where several nodes share it.
//!
//! Two tasks own a connection each: one writes intents, one everything else; a pool reads. Whatever is answered is
//! durable, for standbys read it.

mod changes;
mod closing;
mod config;
mod ended;
mod error;
mod files;
mod intents;
mod jobs;
mod lanes;
mod list;
mod lock;
mod log;
mod make;
mod matching;
mod pooler;
mod reading;
mod rebuild;
mod relevance;
mod request;
mod retention;
mod rows;
mod schema;
mod server;
mod session;
mod totals;
mod transitions;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::changes::Changes;
use self::lanes::{Closings, Intents};
pub use self::lock::SessionLock;
use self::reading::on_reader;
use self::request::{Act, Announce, Reply, Request};
pub use self::server::Server;
use super::lane::Lane;
use super::{CatalogError, CatalogResult};
use crate::model::FileQuery;

/// The most work that is done in one statement: bounds what one refused row makes to be done again.
const GROUP_LIMIT: usize = 256;
/// Work that may wait for a lane before those who bring more have to wait.
const WAITING_LIMIT: usize = 1024;

/// How a PostgreSQL catalog is reached.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?sslmode=…`. Holds a password: never shown.
    pub url: String,
    /// The schema of this element; made when it is not there.
    pub schema: String,
    /// PEM file of authorities to trust. With it the server's certificate and name are always verified.
    pub ca_file: Option<PathBuf>,
    /// Connections that read and are kept open.
    pub pool_size: u32,
    /// Connections that read beyond that, closed when they have been idle for a minute.
    pub pool_overflow: u32,
    /// How long a read waits for a connection.
    pub acquire_timeout: Duration,
    /// After this long a connection is replaced.
    pub recycle: Duration,
    /// Several nodes serve the element: a pooler that keeps no sessions is refused.
    pub replicated: bool,
}

/// The catalog in a schema of a PostgreSQL database.
pub struct PostgresCatalog {
    server: Arc<Server>,
    transactions: Arc<AtomicU64>,
    intents: Mutex<Option<mpsc::Sender<Announce>>>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    lanes: Mutex<Vec<JoinHandle<()>>>,
    readers: PgPool,
    changes: Changes,
}

impl PostgresCatalog {
    /// The catalog on a server that has been reached. Does not migrate, and does not need the schema yet. Called within
    /// a runtime, whose tasks the lanes become.
    pub fn open(server: Arc<Server>) -> Self {
        let transactions = Arc::new(AtomicU64::new(0));
        let (intents, announced) = mpsc::channel(WAITING_LIMIT);
        let (requests, taken) = mpsc::channel(WAITING_LIMIT);
        let announcing = Intents::new(Lane::new(announced, GROUP_LIMIT), &server, &transactions);
        let closing = Closings::new(Lane::new(taken, GROUP_LIMIT), &server, &transactions);
        let readers = server.readers();
        Self {
            server,
            transactions,
            intents: Mutex::new(Some(intents)),
            requests: Mutex::new(Some(requests)),
            // They end by themselves when the catalog is dropped; `close` waits for them.
            lanes: Mutex::new(vec![tokio::spawn(announcing.run()), tokio::spawn(closing.run())]),
            readers,
            changes: Changes::default(),
        }
    }

    /// Gives a request to its lane and waits for the answer. Once given, the work is done even if nobody waits.
    async fn ask<R, T>(
        &self,
        lane: &Mutex<Option<mpsc::Sender<R>>>,
        request: impl FnOnce(Reply<T>) -> R,
    ) -> CatalogResult<T> {
        let closed = || CatalogError::Unavailable { action: "take a write", reason: "it is closed".to_owned() };
        let lane = lane.lock().clone().ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        lane.send(request(reply)).await.map_err(|_| closed())?;
        drop(lane);
        answer.await.map_err(|_| closed())?
    }

    /// Does `work` in a transaction of its own, in the lane that is not for intents.
    async fn act<T, F>(&self, work: F) -> CatalogResult<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, CatalogResult<T>> + Send + 'static,
    {
        self.ask(&self.requests, |reply| Request::Alone(Box::new(Act::new(work, reply)))).await
    }

    /// How PostgreSQL goes about a page, and about counting for it: its plans, a line a step.
    ///
    /// # Errors
    /// Those of the page itself.
    pub async fn plans(&self, query: &FileQuery) -> CatalogResult<Vec<String>> {
        on_reader!(self, reading::ANY, |conn| list::plans(conn, query))
    }
}
