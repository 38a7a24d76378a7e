//! The catalog that the configuration names, locked for this process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::opening::OpeningError;
use crate::catalog::SharedCatalog;
use crate::catalog::postgres::{PostgresCatalog, PostgresOptions, Server, SessionLock};
use crate::catalog::sqlite::{SqliteCatalog, SqliteOptions};
use crate::config::{Config, PostgresConfig};
use crate::election::RemoteLock;
use crate::election::lock::LockElection;
use crate::element::ElementFile;
use crate::storage::{Storage, StorageError};

/// Takes the locks of volume and catalog, and opens the catalog.
pub(super) async fn lock(
    config: &Config,
    storage: &dyn Storage,
    volume: Option<PathBuf>,
) -> Result<(SharedCatalog, LockElection), OpeningError> {
    match &config.database.postgres {
        Some(postgres) => on_server(config, postgres, storage, volume).await,
        None => in_file(&config.database.sqlite.path, volume).await,
    }
}

/// Opens the catalog for one of several nodes, of which a Lease chooses the master. Locks are held against commands that
/// want the element for themselves, and shared with the other nodes.
pub(super) async fn share(
    config: &Config,
    storage: &dyn Storage,
    volume: Option<PathBuf>,
) -> Result<(SharedCatalog, Shared), OpeningError> {
    let volume = LockElection::share(&Vec::from_iter(volume))?;
    match &config.database.postgres {
        Some(postgres) => {
            let (server, element_id) = reach(config, postgres, storage).await?;
            let session = SessionLock::share(&server, element_id).await?;
            let catalog = Arc::new(PostgresCatalog::open(server));
            Ok((catalog, Shared { _volume: volume, _session: Some(session), _file: None }))
        }
        // One replica: nobody else may have the file.
        None => {
            let (catalog, file) = in_file(&config.database.sqlite.path, None).await?;
            Ok((catalog, Shared { _volume: volume, _session: None, _file: Some(file) }))
        }
    }
}

/// What a node under a Lease holds for as long as it lives.
pub(super) struct Shared {
    _volume: LockElection,
    _session: Option<SessionLock>,
    _file: Option<LockElection>,
}

async fn in_file(path: &Path, volume: Option<PathBuf>) -> Result<(SharedCatalog, LockElection), OpeningError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|source| StorageError::Io {
            action: "make folder",
            path: folder.display().to_string(),
            source,
        })?;
    }
    let election = LockElection::acquire(&volume.into_iter().chain([beside(path)]).collect::<Vec<_>>())?;
    Ok((Arc::new(SqliteCatalog::open(path, SqliteOptions::default()).await?), election))
}

/// A digest of where the catalog is: two processes with the same one exclude each other by its lock. It holds no secret.
pub(super) fn digest(config: &Config) -> String {
    let place = match &config.database.postgres {
        Some(postgres) => format!("{} {}", postgres.url.expose(), postgres.schema),
        None => {
            let path = &config.database.sqlite.path;
            std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
        }
    };
    // A path, and a server called localhost, are other ones on another machine.
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    hex::encode(&Sha256::digest(format!("{host} {place}"))[..16])
}

/// `PATH.lock`: one process for one SQLite file, whatever volume it is used with.
fn beside(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".lock");
    PathBuf::from(name)
}

async fn on_server(
    config: &Config,
    postgres: &PostgresConfig,
    storage: &dyn Storage,
    volume: Option<PathBuf>,
) -> Result<(SharedCatalog, LockElection), OpeningError> {
    let election = LockElection::acquire(&Vec::from_iter(volume))?;
    let (server, element_id) = reach(config, postgres, storage).await?;
    let held = ServerLock::acquire(&server, element_id).await?;
    Ok((Arc::new(PostgresCatalog::open(server)), election.with_remote(Box::new(held))))
}

/// Reaches the server, and names the element that the sessions are for, where the storage or the configuration knows it.
async fn reach(
    config: &Config,
    postgres: &PostgresConfig,
    storage: &dyn Storage,
) -> Result<(Arc<Server>, Option<Uuid>), OpeningError> {
    let server = Server::reach(PostgresOptions {
        url: postgres.url.expose().to_owned(),
        schema: postgres.schema.clone(),
        ca_file: postgres.ca_file.clone(),
        pool_size: postgres.pool_size,
        pool_overflow: postgres.pool_overflow,
        acquire_timeout: postgres.acquire_timeout,
        recycle: postgres.recycle,
        replicated: config.election.replicas > 1,
    })
    .await?;
    // What `element.json` says counts; it is judged later. A new element has only its schema to lock.
    let found = storage.element_file().await?.and_then(|bytes| ElementFile::parse(&bytes).ok());
    let element_id = found.map(|file| file.element_id).or(config.element.id);
    if let Some(element_id) = element_id {
        server.name_element(element_id);
    }
    Ok((server, element_id))
}

/// The session advisory lock, as the election sees it.
struct ServerLock(SessionLock);

impl ServerLock {
    async fn acquire(server: &Arc<Server>, element_id: Option<Uuid>) -> Result<Self, OpeningError> {
        Ok(Self(SessionLock::acquire(server, element_id).await?))
    }
}

#[async_trait]
impl RemoteLock for ServerLock {
    fn lost(&self) -> Option<String> {
        self.0.lost()
    }

    async fn until_lost(&self) -> String {
        self.0.until_lost().await
    }
}
