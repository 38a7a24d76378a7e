//! The database file: made once, opened, and recognised when another one stands in its place.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};

use super::SqliteOptions;
use super::error::said;
use crate::catalog::{CatalogError, CatalogResult};

/// How long a statement waits for a lock of another connection. The writer is alone, so only a foreign process or a
/// checkpoint can make one wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of the log after which it is carried over into the database: 16 MiB. Fewer checkpoints, each with fsyncs.
const CHECKPOINT_PAGES: &str = "4000";
/// The log file is cut to this after a checkpoint.
const LOG_BYTES: &str = "67108864";
/// Page cache of the writer, in KiB (negative: not pages). Filled only as far as it is used.
const WRITER_CACHE_KIB: &str = "-8000";
/// Page cache of a reader, in KiB. The system keeps the file's pages for all of them.
const READER_CACHE_KIB: &str = "-4000";

/// Which file a path led to: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity(u64, u64);

/// Where the database is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    options: SqliteOptions,
}

impl Place {
    pub(super) fn new(path: &Path, options: SqliteOptions) -> Self {
        Self { path: path.to_owned(), options }
    }

    /// Makes folder and file where they are not there, the file for its owner only: it names people and files.
    /// SQLite gives its log the same rights. Never opens a file that is there: closing it would drop SQLite's locks.
    pub(super) fn make(&self) -> CatalogResult<()> {
        let unavailable = |error: io::Error| self.unavailable("make its file", &error);
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unavailable)?;
        match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path) {
            Ok(_) => std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(unavailable),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Which file stands there now.
    pub(super) fn identity(&self) -> CatalogResult<FileIdentity> {
        match std::fs::metadata(&self.path) {
            Ok(file) => Ok(FileIdentity(file.dev(), file.ino())),
            Err(error) => Err(self.unavailable("find its file", &error)),
        }
    }

    fn unavailable(&self, action: &'static str, error: &io::Error) -> CatalogError {
        CatalogError::Unavailable { action, reason: format!("{}: {error}", self.path.display()) }
    }

    fn connect(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // No memory map: a disk that fails, or a file cut short under it, would end the process by a signal instead of
            // failing a statement, and its pages would count as the process's memory.
            .pragma("mmap_size", "0")
            .disable_statement_logging()
    }

    /// The one connection that writes.
    pub(super) async fn writer(&self) -> CatalogResult<SqliteConnection> {
        self.connect()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .auto_vacuum(SqliteAutoVacuum::None)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", LOG_BYTES)
            .pragma("cache_size", WRITER_CACHE_KIB)
            .connect()
            .await
            .map_err(said("open the database for writing"))
    }

    /// Connections that read, opened as they are needed.
    pub(super) fn readers(&self) -> SqlitePool {
        PoolOptions::new()
            .max_connections(self.options.readers)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(self.connect().pragma("cache_size", READER_CACHE_KIB).pragma("query_only", "ON"))
    }
}
