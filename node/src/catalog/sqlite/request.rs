//! What the writer is asked to do.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::closing::Closing;
use super::intents::PreparedIntent;
use crate::catalog::lane::Lined;
use crate::catalog::{CatalogResult, CommitVerdict, IntentVerdict};

/// Where an answer goes. Nobody may be there any more: the work is done all the same.
pub(super) type Reply<T> = oneshot::Sender<CatalogResult<T>>;

/// A request to the writer.
pub(super) enum Request {
    /// Announce an operation, together with others.
    Intent(PreparedIntent, Reply<IntentVerdict>),
    /// Close a transaction, together with others.
    Close(Closing, Reply<CommitVerdict>),
    /// Anything else: a transaction of its own.
    Alone(Box<dyn Alone>),
}

impl Lined for Request {
    fn file_id(&self) -> Option<Uuid> {
        match self {
            Self::Intent(intent, _) => intent.file_id,
            Self::Close(closing, _) => closing.file_id(),
            Self::Alone(_) => None,
        }
    }
}

/// Whether an answer may be given before the disk has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// On disk when answered.
    Durable,
    /// A power cut may lose it: recovery comes before serving and makes it again.
    MayLag,
}

/// Work in a transaction of its own.
#[async_trait]
pub(super) trait Alone: Send {
    /// Whether the answer waits for the disk.
    fn durability(&self) -> Durability;

    /// Whether it brings its own transactions.
    fn unwrapped(&self) -> bool;

    /// Does it, on a connection within a transaction.
    async fn run(&mut self, conn: &mut SqliteConnection) -> CatalogResult<()>;

    /// Says how it ended, after the transaction.
    fn answer(self: Box<Self>, result: CatalogResult<()>);
}

/// Work given as a function.
pub(super) struct Act<T, F> {
    work: Option<F>,
    made: Option<T>,
    durability: Durability,
    unwrapped: bool,
    reply: Reply<T>,
}

impl<T, F> Act<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, CatalogResult<T>> + Send + 'static,
{
    pub(super) fn new(durability: Durability, unwrapped: bool, work: F, reply: Reply<T>) -> Self {
        Self { work: Some(work), made: None, durability, unwrapped, reply }
    }
}

#[async_trait]
impl<T, F> Alone for Act<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, CatalogResult<T>> + Send + 'static,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn unwrapped(&self) -> bool {
        self.unwrapped
    }

    async fn run(&mut self, conn: &mut SqliteConnection) -> CatalogResult<()> {
        if let Some(work) = self.work.take() {
            self.made = Some(work(conn).await?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, result: CatalogResult<()>) {
        match (result, self.made) {
            (Ok(()), Some(made)) => drop(self.reply.send(Ok(made))),
            (Err(error), _) => drop(self.reply.send(Err(error))),
            // Dropping the reply tells the one who waits that the work was never done.
            (Ok(()), None) => {}
        }
    }
}
