//! The PostgreSQL make, and what only it can be shown to do.

mod faults;
mod fencing;
mod news;
mod plans;
mod pooler;
#[path = "../../../../e2e/src/postgres.rs"]
#[allow(dead_code, reason = "shared with the whole-system tests, which use more of it")]
pub mod running;
mod schema;
mod speed;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use storage_node::catalog::Catalog;
use storage_node::catalog::postgres::{PostgresCatalog, PostgresOptions, Server};
use uuid::Uuid;

use self::running::Postgres as Running;
use crate::made::Make;

pub struct Postgres;

#[async_trait]
impl Make for Postgres {
    async fn empty(&self) -> (Arc<dyn Catalog>, Box<dyn Any + Send>) {
        let at = At::shared();
        (Arc::new(at.open().await), Box::new(at))
    }
}

/// A schema of a test's own.
#[derive(Clone)]
pub struct At {
    url: String,
    schema: String,
}

#[async_trait]
impl Make for At {
    async fn empty(&self) -> (Arc<dyn Catalog>, Box<dyn Any + Send>) {
        (Arc::new(self.open().await), Box::new(()))
    }
}

impl At {
    pub fn shared() -> Self {
        Self::on(Running::shared())
    }

    pub fn on(server: &Running) -> Self {
        Self { url: server.url().to_owned(), schema: format!("test_{}", Uuid::new_v4().simple()) }
    }

    pub fn options(&self) -> PostgresOptions {
        PostgresOptions {
            url: self.url.clone(),
            schema: self.schema.clone(),
            ca_file: None,
            pool_size: 1,
            pool_overflow: 5,
            acquire_timeout: Duration::from_secs(10),
            recycle: Duration::from_hours(1),
            replicated: true,
        }
    }

    pub async fn server(&self) -> Arc<Server> {
        Server::reach(self.options()).await.unwrap()
    }

    pub async fn open(&self) -> PostgresCatalog {
        PostgresCatalog::open(self.server().await)
    }

    /// A session of the test's own, in the schema.
    pub async fn connect(&self) -> PgConnection {
        self.named("a test").await
    }

    pub async fn named(&self, application: &str) -> PgConnection {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
        let mut conn = options.application_name(application).connect().await.unwrap();
        sqlx::query("SELECT set_config('search_path', $1, false)").bind(&self.schema).execute(&mut conn).await.unwrap();
        conn
    }

    pub async fn by_hand(&self, sql: &str) {
        let mut conn = self.connect().await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    }

    /// Waits until so many sessions wait for a lock, so that what is tested is not left to chance.
    pub async fn waiting(&self, sessions: i64) {
        let mut conn = self.connect().await;
        for _ in 0..1_000 {
            let found: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity AS a WHERE a.wait_event_type = 'Lock' AND EXISTS (SELECT 1 FROM \
                 pg_locks AS l WHERE l.pid = a.pid AND l.relation = 'config'::regclass)",
            )
            .fetch_one(&mut conn)
            .await
            .unwrap();
            if found >= sessions {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody waits for a lock");
    }
}
