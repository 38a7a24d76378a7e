//! The lane of intents.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::held::{Held, within};
use crate::catalog::lane::Lane;
use crate::catalog::postgres::error::again;
use crate::catalog::postgres::intents::{self, PreparedIntent};
use crate::catalog::postgres::request::Announce;
use crate::catalog::postgres::server::Server;
use crate::catalog::{CatalogError, CatalogResult, IntentVerdict};

/// How long one statement may take before its connection is given up.
const LIMIT: Duration = Duration::from_secs(15);

/// The one who announces.
pub(in crate::catalog::postgres) struct Intents {
    lane: Lane<Announce>,
    held: Held,
}

impl Intents {
    pub(in crate::catalog::postgres) fn new(
        lane: Lane<Announce>,
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
            let (intents, replies): (Vec<_>, Vec<_>) =
                group.into_iter().map(|Announce(intent, reply)| (intent, reply)).unzip();
            let verdicts = self.together(&intents.iter().collect::<Vec<_>>()).await;
            for (reply, verdict) in replies.into_iter().zip(verdicts) {
                let _ = reply.send(verdict);
            }
        }
        self.held.close().await;
    }

    /// All in one statement; when the database refuses it, each in its own, so that one bad row fails only itself.
    async fn together(&mut self, all: &[&PreparedIntent]) -> Vec<CatalogResult<IntentVerdict>> {
        let error = match self.attempt(all).await {
            Ok(verdicts) => return verdicts,
            Err(error) => error,
        };
        if !matches!(error, CatalogError::Refused { .. }) || all.len() == 1 {
            return all.iter().map(|_| Err(again(&error))).collect();
        }
        let mut verdicts = Vec::with_capacity(all.len());
        for intent in all {
            let verdict = self.attempt(&[*intent]).await;
            verdicts.push(verdict.and_then(|mut verdicts| verdicts.pop().unwrap_or_else(|| Err(again(&error)))));
        }
        verdicts
    }

    /// An answer that was lost is asked for once more, on a new connection: intents are idempotent by transaction.
    async fn attempt(&mut self, intents: &[&PreparedIntent]) -> CatalogResult<Vec<CatalogResult<IntentVerdict>>> {
        match self.once(intents).await {
            Err(CatalogError::Unavailable { .. }) => self.once(intents).await,
            answer => answer,
        }
    }

    async fn once(&mut self, intents: &[&PreparedIntent]) -> CatalogResult<Vec<CatalogResult<IntentVerdict>>> {
        let done = match self.held.connection().await {
            Ok(conn) => within(LIMIT, intents::write(conn, intents)).await,
            Err(error) => Err(error),
        };
        self.held.done(done)
    }
}
