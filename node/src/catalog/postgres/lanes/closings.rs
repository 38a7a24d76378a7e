//! The lane of commits, and of everything that is rare.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::held::{Held, within};
use crate::catalog::lane::Lane;
use crate::catalog::postgres::closing::{self, Closing};
use crate::catalog::postgres::error::{again, said};
use crate::catalog::postgres::request::{Alone, Reply, Request};
use crate::catalog::postgres::server::Server;
use crate::catalog::{CatalogError, CatalogResult, CommitVerdict};

/// How long one statement may take before its connection is given up.
const LIMIT: Duration = Duration::from_secs(15);
/// The same for a transaction of rare work, such as a batch of a rebuild or a migration.
const ALONE_LIMIT: Duration = Duration::from_mins(2);

/// The one who commits.
pub(in crate::catalog::postgres) struct Closings {
    lane: Lane<Request>,
    held: Held,
}

impl Closings {
    pub(in crate::catalog::postgres) fn new(
        lane: Lane<Request>,
        server: &Arc<Server>,
        transactions: &Arc<AtomicU64>,
    ) -> Self {
        Self { lane, held: Held::new(server, transactions) }
    }

    /// Works until nobody can ask any more.
    pub(in crate::catalog::postgres) async fn run(mut self) {
        loop {
            // Waiting for the next group may be given up: nothing is taken before there is one.
            let group = tokio::select! {
                group = self.lane.next() => group,
                () = self.held.close_of_old_terms() => continue,
            };
            let Some(group) = group else { break };
            let (mut commits, mut others, mut alone) = (Vec::new(), Vec::new(), Vec::new());
            for request in group {
                match request {
                    Request::Close(closing, reply) if closing.commits() => commits.push((closing, reply)),
                    Request::Close(closing, reply) => others.push((closing, reply)),
                    Request::Alone(work) => alone.push(work),
                }
            }
            self.together(commits).await;
            self.together(others).await;
            for work in alone {
                self.alone(work).await;
            }
        }
        self.held.close().await;
    }

    /// All in one statement; when the database refuses it, each in its own, so that one bad row fails only itself.
    async fn together(&mut self, group: Vec<(Closing, Reply<CommitVerdict>)>) {
        let (closings, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let all: Vec<&Closing> = closings.iter().collect();
        let verdicts = match self.attempt(&all).await {
            Ok(verdicts) => verdicts,
            Err(error @ CatalogError::Refused { .. }) if all.len() > 1 => {
                let mut verdicts = Vec::with_capacity(all.len());
                for closing in &all {
                    let verdict = self.attempt(&[*closing]).await;
                    verdicts.push(verdict.and_then(|mut one| one.pop().unwrap_or_else(|| Err(again(&error)))));
                }
                verdicts
            }
            Err(error) => all.iter().map(|_| Err(again(&error))).collect(),
        };
        for (reply, verdict) in replies.into_iter().zip(verdicts) {
            let _ = reply.send(verdict);
        }
    }

    /// An answer that was lost is asked for once more, on a new connection: ends are idempotent by transaction.
    async fn attempt(&mut self, closings: &[&Closing]) -> CatalogResult<Vec<CatalogResult<CommitVerdict>>> {
        if closings.is_empty() {
            return Ok(Vec::new());
        }
        match self.once(closings).await {
            Err(CatalogError::Unavailable { .. }) => self.once(closings).await,
            answer => answer,
        }
    }

    async fn once(&mut self, closings: &[&Closing]) -> CatalogResult<Vec<CatalogResult<CommitVerdict>>> {
        let done = match self.held.connection().await {
            Ok(conn) => within(LIMIT, closing::write(conn, closings)).await,
            Err(error) => Err(error),
        };
        self.held.done(done)
    }

    async fn alone(&mut self, mut work: Box<dyn Alone>) {
        let done = match self.held.connection().await {
            Ok(conn) => within(ALONE_LIMIT, transaction(conn, work.as_mut())).await,
            Err(error) => Err(error),
        };
        work.answer(self.held.done(done));
    }
}

async fn transaction(conn: &mut PgConnection, work: &mut dyn Alone) -> CatalogResult<()> {
    let mut transaction = conn.begin().await.map_err(said("begin a transaction"))?;
    match work.run(&mut transaction).await {
        Ok(()) => transaction.commit().await.map_err(said("commit")),
        Err(error) => {
            transaction.rollback().await.map_err(said("roll back"))?;
            Err(error)
        }
    }
}
