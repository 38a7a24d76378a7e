//! The writer: one task that owns the one connection that writes, and does together what waits together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{Connection, SqliteConnection};

use super::closing::{self, Closing};
use super::error::{again, said};
use super::intents::{self, PreparedIntent};
use super::open::{FileIdentity, Place};
use super::remembered::Remembered;
use super::request::{Alone, Durability, Reply, Request};
use crate::catalog::lane::Lane;
use crate::catalog::{CatalogError, CatalogResult, CommitVerdict, IntentVerdict};

/// The one who writes.
pub(super) struct Writer {
    place: Place,
    lane: Lane<Request>,
    transactions: Arc<AtomicU64>,
    open: Option<Open>,
    /// What readers keep of rows, to be forgotten before an answer says that one has changed.
    remembered: Arc<Remembered>,
}

struct Open {
    conn: SqliteConnection,
    identity: FileIdentity,
    /// What `PRAGMA synchronous` says now.
    durability: Durability,
}

type Verdicts = (Vec<CatalogResult<IntentVerdict>>, Vec<CatalogResult<CommitVerdict>>);

impl Writer {
    pub(super) fn new(
        place: Place,
        lane: Lane<Request>,
        transactions: Arc<AtomicU64>,
        (conn, identity): (SqliteConnection, FileIdentity),
        remembered: Arc<Remembered>,
    ) -> Self {
        let open = Some(Open { conn, identity, durability: Durability::Durable });
        Self { place, lane, transactions, open, remembered }
    }

    /// Works until nobody can ask any more, then carries the log over into the database and closes it.
    pub(super) async fn run(mut self) {
        while let Some(group) = self.lane.next().await {
            let mut intents = Vec::new();
            let mut closings = Vec::new();
            let mut alone = Vec::new();
            for request in group {
                match request {
                    Request::Intent(intent, reply) => intents.push((intent, reply)),
                    Request::Close(closing, reply) => closings.push((closing, reply)),
                    Request::Alone(work) => alone.push(work),
                }
            }
            self.together(intents, closings).await;
            for work in alone {
                self.alone(work).await;
            }
        }
        if let Some(mut open) = self.open.take() {
            // Failing here loses nothing: the log is read at the next start.
            let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut open.conn).await;
            let _ = open.conn.close().await;
        }
    }

    /// All in one transaction; when the database refuses it, each in its own, so that one bad row fails only itself.
    async fn together(
        &mut self,
        intents: Vec<(PreparedIntent, Reply<IntentVerdict>)>,
        closings: Vec<(Closing, Reply<CommitVerdict>)>,
    ) {
        if intents.is_empty() && closings.is_empty() {
            return;
        }
        let (intents, intent_replies): (Vec<_>, Vec<_>) = intents.into_iter().unzip();
        let (closings, close_replies): (Vec<_>, Vec<_>) = closings.into_iter().unzip();
        let all_intents: Vec<&PreparedIntent> = intents.iter().collect();
        let all_closings: Vec<&Closing> = closings.iter().collect();
        let (intent_verdicts, close_verdicts) = match self.attempt(&all_intents, &all_closings).await {
            Ok(verdicts) => verdicts,
            Err(CatalogError::Refused { .. }) if intents.len() + closings.len() > 1 => {
                let mut one_by_one = (Vec::new(), Vec::new());
                for intent in &all_intents {
                    let verdict = self.attempt(&[*intent], &[]).await;
                    one_by_one.0.push(verdict.and_then(|(mut verdicts, _)| first(&mut verdicts)));
                }
                for closing in &all_closings {
                    let verdict = self.attempt(&[], &[*closing]).await;
                    one_by_one.1.push(verdict.and_then(|(_, mut verdicts)| first(&mut verdicts)));
                }
                one_by_one
            }
            Err(error) => (
                intents.iter().map(|_| Err(again(&error))).collect(),
                closings.iter().map(|_| Err(again(&error))).collect(),
            ),
        };
        self.forget(&closings);
        for (reply, verdict) in intent_replies.into_iter().zip(intent_verdicts) {
            let _ = reply.send(verdict);
        }
        for (reply, verdict) in close_replies.into_iter().zip(close_verdicts) {
            let _ = reply.send(verdict);
        }
    }

    /// Rows that these closings have changed, whatever became of them.
    fn forget(&self, closings: &[Closing]) {
        for closing in closings {
            match closing.file_id() {
                Some(file_id) => self.remembered.forget(file_id),
                // A transaction undone or failed names no file here, and is rare.
                None => self.remembered.forget_all(),
            }
        }
    }

    async fn attempt(&mut self, intents: &[&PreparedIntent], closings: &[&Closing]) -> CatalogResult<Verdicts> {
        let durability = if intents.is_empty() { Durability::MayLag } else { Durability::Durable };
        let conn = self.begin(durability).await?;
        let done = async {
            let intents = if intents.is_empty() { Vec::new() } else { intents::write(conn, intents).await? };
            Ok((intents, closing::write(conn, closings).await?))
        };
        let done = done.await;
        self.end(done).await
    }

    async fn alone(&mut self, mut work: Box<dyn Alone>) {
        let result = if work.unwrapped() {
            match self.connection(work.durability()).await {
                Ok(conn) => work.run(conn).await,
                Err(error) => Err(error),
            }
        } else {
            match self.begin(work.durability()).await {
                Ok(conn) => {
                    let done = work.run(conn).await;
                    self.end(done).await
                }
                Err(error) => Err(error),
            }
        };
        self.remembered.forget_all();
        work.answer(result);
    }

    async fn begin(&mut self, durability: Durability) -> CatalogResult<&mut SqliteConnection> {
        let conn = self.connection(durability).await?;
        match sqlx::query("BEGIN IMMEDIATE").execute(&mut *conn).await {
            Ok(_) => {}
            Err(error) => {
                self.open = None;
                return Err(said("begin a transaction")(error));
            }
        }
        self.open.as_mut().map(|open| &mut open.conn).ok_or_else(gone)
    }

    /// Commits what succeeded. After an error that is not about a row the connection is given up: it may be broken, and
    /// closing it rolls back.
    async fn end<T>(&mut self, done: CatalogResult<T>) -> CatalogResult<T> {
        let Some(open) = self.open.as_mut() else { return Err(gone()) };
        let result = match done {
            Ok(done) => match sqlx::query("COMMIT").execute(&mut open.conn).await {
                Ok(_) => {
                    self.transactions.fetch_add(1, Ordering::Relaxed);
                    return Ok(done);
                }
                Err(error) => Err(CatalogError::Unavailable { action: "commit", reason: error.to_string() }),
            },
            Err(error) => Err(error),
        };
        let about_the_row = matches!(result, Err(CatalogError::Refused { .. } | CatalogError::Corrupt { .. }));
        let rolled_back = sqlx::query("ROLLBACK").execute(&mut open.conn).await;
        if !about_the_row || rolled_back.is_err() {
            self.open = None;
        }
        result
    }

    /// The connection to the file that stands there now, with the durability asked for.
    async fn connection(&mut self, durability: Durability) -> CatalogResult<&mut SqliteConnection> {
        let identity = self.place.identity()?;
        let mut open = match self.open.take() {
            Some(open) if open.identity == identity => open,
            _ => Open { conn: self.place.writer().await?, identity, durability: Durability::Durable },
        };
        if open.durability != durability {
            let level = match durability {
                Durability::Durable => "PRAGMA synchronous = FULL",
                Durability::MayLag => "PRAGMA synchronous = NORMAL",
            };
            sqlx::query(level).execute(&mut open.conn).await.map_err(said("set the durability"))?;
            open.durability = durability;
        }
        Ok(&mut self.open.insert(open).conn)
    }
}

fn first<T>(verdicts: &mut Vec<CatalogResult<T>>) -> CatalogResult<T> {
    verdicts.pop().unwrap_or_else(|| Err(gone()))
}

fn gone() -> CatalogError {
    CatalogError::Unavailable { action: "answer", reason: "its connection was lost".to_owned() }
}
