//! A session advisory lock: held by a connection of its own for as long as that lives.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::said;
use super::server::{Purpose, Server};
use crate::catalog::{CatalogError, CatalogResult};

/// How long a lock is waited for: a process that has just ended may still be seen by the server.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(100);
/// How often the connection is asked whether it still stands, and how long it may take to answer.
const WATCH: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);

/// Locks on a schema and on an element, so that no two processes serve either. The server gives them back when the
/// connection ends, however it ends: so whoever holds them has to end too.
pub struct SessionLock {
    lost: watch::Receiver<Option<String>>,
    watching: JoinHandle<()>,
}

impl SessionLock {
    /// Takes the lock of the schema, and of the element where it is known.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] when another session holds one, [`CatalogError::Unavailable`] when nobody answers.
    pub async fn acquire(server: &Arc<Server>, element_id: Option<Uuid>) -> CatalogResult<Self> {
        Self::take(server, element_id, "pg_try_advisory_lock").await
    }

    /// Holds the locks together with others that share them, against anyone who wants them alone. That they are lost
    /// with their connection harms nobody: who may write is decided elsewhere.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] when a session holds one alone, [`CatalogError::Unavailable`] when nobody answers.
    pub async fn share(server: &Arc<Server>, element_id: Option<Uuid>) -> CatalogResult<Self> {
        Self::take(server, element_id, "pg_try_advisory_lock_shared").await
    }

    async fn take(server: &Arc<Server>, element_id: Option<Uuid>, how: &'static str) -> CatalogResult<Self> {
        let mut conn = server.connection(Purpose::Lock).await?;
        if server.pooled() {
            // Within a transaction even a pooler that keeps no sessions keeps this one. It reads nothing, so it does
            // not hold back what the server cleans up.
            sqlx::query("BEGIN").execute(&mut conn).await.map_err(said("lock the element"))?;
        }
        take(&mut conn, &format!("schema {}", server.options.schema), how).await?;
        if let Some(element_id) = element_id {
            take(&mut conn, &format!("element {element_id}"), how).await?;
        }
        let (tell, lost) = watch::channel(None);
        let watching = tokio::spawn(async move {
            let reason = watch_over(conn).await;
            let _ = tell.send(Some(reason));
        });
        Ok(Self { lost, watching })
    }

    /// Why the lock is lost, if it is.
    pub fn lost(&self) -> Option<String> {
        self.lost.borrow().clone()
    }

    /// Waits until it is lost, and says why.
    pub async fn until_lost(&self) -> String {
        let mut lost = self.lost.clone();
        match lost.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "nobody watches over it any more".to_owned(),
        }
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // The connection goes with the task, and the lock with the connection.
        self.watching.abort();
    }
}

async fn take(conn: &mut PgConnection, what: &str, how: &str) -> CatalogResult<()> {
    const ACTION: &str = "lock the element";
    let digest = Sha256::digest(format!("storage-element {what}"));
    let key = digest.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
    let began = Instant::now();
    loop {
        let taken: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT {how}($1)")))
            .bind(key)
            .fetch_one(&mut *conn)
            .await
            .map_err(said(ACTION))?;
        if taken {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            let holder: Option<String> = sqlx::query_scalar(
                "SELECT 'session ' || a.pid || coalesce(' from ' || host(a.client_addr), '') \
                 || ', since ' || to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') \
                 FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid \
                 WHERE l.locktype = 'advisory' AND l.granted \
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                 AND (l.classid::bigint << 32 | l.objid::bigint) = $1 LIMIT 1",
            )
            .bind(key)
            .fetch_optional(conn)
            .await
            .map_err(said(ACTION))?;
            let holder = holder.unwrap_or_else(|| "another session".to_owned());
            let reason = format!("{what} is served by another process ({holder}): stop it first");
            return Err(CatalogError::Refused { action: ACTION, reason });
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn watch_over(mut conn: PgConnection) -> String {
    loop {
        tokio::time::sleep(WATCH).await;
        match tokio::time::timeout(ANSWER, conn.ping()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return format!("the database session that holds the element's lock has ended: {error}"),
            Err(_) => {
                return format!(
                    "the database session that holds the element's lock has not answered for {} s",
                    ANSWER.as_secs()
                );
            }
        }
    }
}
