//! Statements of a page on their way to the server, and what the server thinks of them.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Execute, PgConnection, Postgres, QueryBuilder};

use super::error::said;
use crate::catalog::{CatalogError, CatalogResult};

/// A connection that asks.
pub(super) struct Asking<'c> {
    conn: &'c mut PgConnection,
    /// The plan of each statement that was asked, if wanted.
    plans: Option<Vec<String>>,
}

impl<'c> Asking<'c> {
    pub(super) fn new(conn: &'c mut PgConnection) -> Self {
        Self { conn, plans: None }
    }

    /// Has every statement explained before it is asked, by doing it: with rows and blocks that it took.
    pub(super) fn explaining(conn: &'c mut PgConnection) -> Self {
        Self { conn, plans: Some(Vec::new()) }
    }

    pub(super) fn plans(self) -> Vec<String> {
        self.plans.unwrap_or_default()
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        self.conn
    }

    /// All rows of a statement.
    pub(super) async fn all(
        &mut self,
        action: &'static str,
        mut sql: QueryBuilder<Postgres>,
    ) -> CatalogResult<Vec<PgRow>> {
        let refused = |error: sqlx::error::BoxDynError| CatalogError::Refused { action, reason: error.to_string() };
        let mut query = sql.build();
        let arguments = query.take_arguments().map_err(refused)?.unwrap_or_default();
        let text = query.sql();
        if let Some(plans) = &mut self.plans {
            let explain =
                AssertSqlSafe(format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) {}", text.as_str()));
            let lines: Vec<String> = sqlx::query_scalar_with(explain, arguments.clone())
                .fetch_all(&mut *self.conn)
                .await
                .map_err(said(action))?;
            plans.push(lines.join("\n"));
        }
        sqlx::query_with(text, arguments).fetch_all(&mut *self.conn).await.map_err(said(action))
    }

    /// The one row of a statement that has one.
    pub(super) async fn one(&mut self, action: &'static str, sql: QueryBuilder<Postgres>) -> CatalogResult<PgRow> {
        self.all(action, sql).await?.pop().ok_or_else(|| said(action)(sqlx::Error::RowNotFound))
    }
}
