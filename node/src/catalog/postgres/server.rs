//! The server: how it is reached, what its sessions are called, and what they are set to.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::watch;
use uuid::Uuid;

use super::PostgresOptions;
use super::error::said;
use super::pooler::{self, Sessions};
use super::session::Names;
use crate::catalog::{CatalogError, CatalogResult};

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// A connection beyond the kept ones is closed when nobody has wanted it for so long.
const OVERFLOW_IDLE: Duration = Duration::from_mins(1);

/// The server and the schema of one element on it.
pub struct Server {
    pub(super) options: PostgresOptions,
    connect: PgConnectOptions,
    sessions: Sessions,
    names: ArcSwap<Names>,
    renamed: watch::Sender<()>,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
    /// Holds a lock and does nothing else.
    Lock,
}

impl Server {
    /// Connects once, to find out whether the server can be used and whether a pooler stands before it.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`] when it does not answer, [`CatalogError::Refused`] when it can never be used as it is.
    pub async fn reach(options: PostgresOptions) -> CatalogResult<Arc<Self>> {
        const ACTION: &str = "be reached";
        let refused = |reason: String| CatalogError::Refused { action: ACTION, reason };
        // What the parser says may repeat the URL, and with it the password.
        let mut connect = PgConnectOptions::from_str(&options.url)
            .map_err(|_| refused("database.postgres.url is not a URL such as postgres://user@host/database".into()))?
            // No column is a float, and a pooler refuses start-up parameters that it does not know.
            .extra_float_digits(None)
            .disable_statement_logging();
        if let Some(ca_file) = &options.ca_file {
            connect = connect.ssl_root_cert(ca_file).ssl_mode(PgSslMode::VerifyFull);
        }
        let names = Names::default();
        let connect_once = connect.clone().application_name(&names.of(Purpose::Read));
        let sessions = pooler::recognise(&connect_once, &options.schema).await?;
        if sessions == Sessions::NotKept && options.replicated {
            return Err(refused(
                "a pooler in transaction mode (PgBouncer) stands before the database: sessions cannot be ended by name nor \
                 listened in. Set pool_mode = session for this database, connect to it directly, or run one replica"
                    .into(),
            ));
        }
        let server =
            Self { options, connect, sessions, names: ArcSwap::from_pointee(names), renamed: watch::Sender::new(()) };
        let mut conn = server.connection(Purpose::Read).await?;
        let encoding: String =
            sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut conn).await.map_err(said(ACTION))?;
        let _ = conn.close().await;
        if encoding != "UTF8" {
            return Err(refused(format!(
                "the database's encoding is {encoding}, not UTF8: make one with ENCODING 'UTF8'"
            )));
        }
        Ok(Arc::new(server))
    }

    /// Names the element that the sessions are for, as far as it is known before the catalog is read.
    pub fn name_element(&self, element_id: Uuid) {
        self.call(self.names.load().of_element(element_id));
    }

    /// What sessions are called now.
    pub(super) fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// From now on sessions are called so; those that write under another name are closed by whoever has them.
    pub(super) fn call(&self, names: Names) {
        self.names.store(Arc::new(names));
        self.renamed.send_replace(());
    }

    /// Tells when the names have changed.
    pub(super) fn renamed(&self) -> watch::Receiver<()> {
        self.renamed.subscribe()
    }

    /// The element that the sessions are for, as far as it is known.
    pub(super) fn element(&self) -> Option<Uuid> {
        self.names.load().element()
    }

    /// A connection of its own.
    pub(super) async fn connection(&self, purpose: Purpose) -> CatalogResult<PgConnection> {
        let name = self.names.load().of(purpose);
        let connecting = async {
            let mut conn = self.connect.clone().application_name(&name).connect().await?;
            prepare(&mut conn, self.settings(purpose)).await?;
            Ok(conn)
        };
        match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
            Ok(connected) => connected.map_err(said("open a connection")),
            Err(_) => Err(CatalogError::Unavailable {
                action: "open a connection",
                reason: format!("no answer within {} s", CONNECT_LIMIT.as_secs()),
            }),
        }
    }

    /// Connections that read, opened as they are needed, each looked at before it is given out.
    pub(super) fn readers(self: &Arc<Self>) -> PgPool {
        let server = Arc::clone(self);
        PoolOptions::new()
            .min_connections(self.options.pool_size)
            .max_connections(self.options.pool_size.saturating_add(self.options.pool_overflow))
            .acquire_timeout(self.options.acquire_timeout)
            .test_before_acquire(true)
            .idle_timeout(OVERFLOW_IDLE)
            .max_lifetime(self.options.recycle)
            .after_connect(move |conn, _| {
                let settings = server.settings(Purpose::Read);
                Box::pin(prepare(conn, settings))
            })
            .connect_lazy_with(self.reading())
    }

    /// How connections that read are opened, in the name of the element as far as it is known.
    pub(super) fn reading(&self) -> PgConnectOptions {
        self.connect.clone().application_name(&self.names.load().of(Purpose::Read))
    }

    /// Whether a pooler gives each transaction a session of its choice.
    pub(super) fn pooled(&self) -> bool {
        self.sessions == Sessions::NotKept
    }

    /// What a session is set to. Nothing where sessions are not kept: it would stay behind for whoever is next.
    fn settings(&self, purpose: Purpose) -> Vec<(&'static str, String)> {
        if self.pooled() {
            return Vec::new();
        }
        let mut settings = vec![
            ("search_path", quoted(&self.options.schema)),
            // A peer whose machine is gone is noticed within half a minute; a socket file takes no notice of these.
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            // Searches are many and short: compiling one takes longer than all of it.
            ("jit", "off".to_owned()),
        ];
        settings.extend(match purpose {
            Purpose::Read => vec![
                ("default_transaction_read_only", "on".to_owned()),
                ("statement_timeout", "30s".to_owned()),
                // A word may be in every file or in none: a plan for both is bad for one of them. And statistics lag
                // behind a rebuild: then an index that is there is the better guess.
                ("plan_cache_mode", "force_custom_plan".to_owned()),
                ("enable_seqscan", "off".to_owned()),
                // What is searched lies in memory, and to match a file's words costs more than the defaults say: they
                // would rather look at every tenth of all files than ask the index.
                ("seq_page_cost", "0.2".to_owned()),
                ("random_page_cost", "0.3".to_owned()),
                ("cpu_operator_cost", "0.01".to_owned()),
                // To start a worker takes longer than a page does.
                ("max_parallel_workers_per_gather", "0".to_owned()),
            ],
            Purpose::Write => vec![
                ("statement_timeout", "30s".to_owned()),
                ("lock_timeout", "10s".to_owned()),
                ("idle_in_transaction_session_timeout", "30s".to_owned()),
            ],
            Purpose::Lock => Vec::new(),
        });
        settings
    }
}

/// Sets a fresh session, in one statement.
async fn prepare(conn: &mut PgConnection, settings: Vec<(&'static str, String)>) -> Result<(), sqlx::Error> {
    let (keys, values): (Vec<&str>, Vec<String>) = settings.into_iter().unzip();
    // Durable whatever the server's default; one that waits for standbys keeps waiting.
    sqlx::query(
        "SELECT set_config(s.key, s.value, false) FROM unnest($1::text[], $2::text[]) AS s (key, value) \
         UNION ALL SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') IN ('off', 'local')",
    )
    .bind(keys)
    .bind(values)
    .execute(conn)
    .await
    .map(drop)
}

/// A name as SQL reads it, whatever it holds.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
