//! What the lanes are asked to do.

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::PgConnection;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::closing::Closing;
use super::intents::PreparedIntent;
use crate::catalog::lane::Lined;
use crate::catalog::{CatalogResult, CommitVerdict, IntentVerdict};

/// Where an answer goes. Nobody may be there any more: the work is done all the same.
pub(super) type Reply<T> = oneshot::Sender<CatalogResult<T>>;

/// A request to the lane of intents: announce an operation, together with others.
pub(super) struct Announce(pub(super) PreparedIntent, pub(super) Reply<IntentVerdict>);

impl Lined for Announce {
    fn file_id(&self) -> Option<Uuid> {
        self.0.file_id
    }
}

/// A request to the lane of everything else.
pub(super) enum Request {
    /// Close a transaction, together with others.
    Close(Closing, Reply<CommitVerdict>),
    /// Anything else: a transaction of its own.
    Alone(Box<dyn Alone>),
}

impl Lined for Request {
    fn file_id(&self) -> Option<Uuid> {
        match self {
            Self::Close(closing, _) => closing.file_id(),
            Self::Alone(_) => None,
        }
    }
}

/// Work in a transaction of its own.
#[async_trait]
pub(super) trait Alone: Send {
    /// Does it, on a connection within a transaction.
    async fn run(&mut self, conn: &mut PgConnection) -> CatalogResult<()>;

    /// Says how it ended, after the transaction.
    fn answer(self: Box<Self>, result: CatalogResult<()>);
}

/// Work given as a function.
pub(super) struct Act<T, F> {
    work: Option<F>,
    made: Option<T>,
    reply: Reply<T>,
}

impl<T, F> Act<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, CatalogResult<T>> + Send + 'static,
{
    pub(super) fn new(work: F, reply: Reply<T>) -> Self {
        Self { work: Some(work), made: None, reply }
    }
}

#[async_trait]
impl<T, F> Alone for Act<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, CatalogResult<T>> + Send + 'static,
{
    async fn run(&mut self, conn: &mut PgConnection) -> CatalogResult<()> {
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
