//! A node behind proxies.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use storage_element_e2e::database::{Database, Schema};
use storage_element_e2e::{Bucket, Client, Make, Node, Postgres, PostgresProxy, S3Proxy, Setup, Storage, Weather};

/// How long anything may take that ends by itself.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// What happens to the session that holds the element's lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// It passes, whatever the weather.
    Pass,
    /// The same as to all others.
    Suffer,
}

/// A node behind proxies, as many as its make needs.
pub struct Behind {
    pub node: Node,
    pub database: Option<PostgresProxy>,
    pub store: Option<S3Proxy>,
}

impl Behind {
    /// A node of this make, started in fair weather. With `server` its catalog is there. Where the session with the lock
    /// does not pass unharmed, the node ends when that is lost.
    pub fn start(make: Make, seed: u64, server: Option<&Arc<Postgres>>, locks: Locks) -> Result<Self> {
        let mut setup = Setup::new().make(make).setting("logging.level", "warn");
        let mut database = None;
        if !make.is_sqlite() {
            let schema = server.map_or_else(Schema::shared, Schema::on);
            let proxy = PostgresProxy::start(schema.server(), seed);
            if locks == Locks::Pass {
                proxy.let_locks_pass();
            }
            setup = setup.database(Database::Postgres(Arc::new(schema))).setting("database.postgres.url", proxy.url());
            database = Some(proxy);
        }
        let mut store = None;
        if !make.is_local() {
            let bucket = Bucket::new()?;
            let proxy = S3Proxy::start(bucket.endpoint(), seed);
            setup = setup.storage(Storage::Bucket(Arc::new(bucket))).setting("storage.s3.endpoint", proxy.endpoint());
            store = Some(proxy);
        }
        Ok(Self { node: setup.start()?, database, store })
    }

    /// What happens from now on, on both sides.
    pub fn set(&self, weather: Weather) {
        if let Some(proxy) = &self.database {
            proxy.set(weather);
        }
        if let Some(proxy) = &self.store {
            proxy.set(weather);
        }
    }

    /// How many faults there were.
    pub fn faults(&self) -> u64 {
        self.database.as_ref().map_or(0, PostgresProxy::faults) + self.store.as_ref().map_or(0, S3Proxy::faults)
    }

    /// Waits until nothing is on its way any more that its sender gave up.
    pub async fn quiet(&self) -> Result<()> {
        let pending = || {
            self.database.as_ref().map_or(0, PostgresProxy::pending) + self.store.as_ref().map_or(0, S3Proxy::pending)
        };
        until("nothing is on its way", async || Ok(pending() == 0)).await
    }

    /// Starts the node again if it has ended by itself, as whoever runs it does.
    pub fn supervise(&mut self) -> Result<bool> {
        if self.node.is_running()? {
            return Ok(false);
        }
        self.node.spawn()?;
        Ok(true)
    }

    /// Supervises while work is done; how often the node had to be started.
    pub async fn supervised(&mut self, work: impl Future<Output = Result<()>>) -> Result<u32> {
        tokio::pin!(work);
        let mut starts = 0;
        loop {
            tokio::select! {
                done = &mut work => return done.map(|()| starts),
                () = tokio::time::sleep(Duration::from_millis(50)) => starts += u32::from(self.supervise()?),
            }
        }
    }

    /// Supervises until the node is ready and everything is settled.
    pub async fn recovered(&mut self) -> Result<()> {
        let begun = Instant::now();
        let admin = self.node.client("admin")?;
        loop {
            self.supervise()?;
            if self.node.is_ready()
                && let Ok(open) = admin.all("/api/v1/admin/wal", &[]).await
                && open.is_empty()
            {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let ready = admin.get("/health/ready").await.map(|answer| answer.to_string());
                let open = admin.all("/api/v1/admin/wal", &[]).await;
                bail!("not recovered after {PATIENCE:?}: {ready:?} {open:?}\n{}", self.node.log_tail());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Waits until something is so. What cannot be asked is not so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    loop {
        let asked = is_so().await;
        if matches!(asked, Ok(true)) {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "not after {PATIENCE:?}: {what} ({asked:?})");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What readiness says about a part: `ok` or `failed`, and why.
pub async fn part(client: &Client, name: &str) -> Result<(String, String)> {
    let ready = client.get("/health/ready").await?.json()?;
    let part = &ready["parts"][name];
    let text = |key: &str| part[key].as_str().map(str::to_owned).with_context(|| format!("no {name}: {ready}"));
    Ok((text("status")?, text("message")?))
}
