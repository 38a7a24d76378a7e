//! Sections about where things are: the storage and the catalog.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::network::check_url;
use super::{Ask, Reader, Secret, both_or_none};

/// `storage`: where the bytes and the attr files are.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// A local folder; its path is empty where there is a bucket.
    pub local: LocalConfig,
    /// An S3 bucket, instead of the folder.
    pub s3: Option<S3Config>,
}

/// `storage.local`.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// The root of the volume.
    pub path: PathBuf,
}

/// `storage.s3`.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// What every key begins with.
    pub prefix: String,
    /// The region.
    pub region: Option<String>,
    /// The address of a store that is not Amazon's.
    pub endpoint: Option<String>,
    /// The bucket goes into the path, not into the host name.
    pub force_path_style: bool,
    /// Authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// File with the access key id.
    pub access_key_id_file: Option<PathBuf>,
    /// File with the secret access key.
    pub secret_access_key_file: Option<PathBuf>,
    /// Go on with a store that does not honour conditional writes.
    pub allow_unconditional: bool,
}

impl StorageConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let local = r.path(Ask(
            "storage.local.path",
            "",
            "The folder that holds the element's files: the root of the volume. This or a bucket is required.",
        ));
        let bucket = r.text(Ask("storage.s3.bucket", "", "The bucket, instead of `storage.local.path`."));
        let s3 = S3Config {
            bucket: bucket.clone().unwrap_or_default(),
            prefix: r.text(Ask("storage.s3.prefix", "", "What every key begins with.")).unwrap_or_default(),
            region: r.text(Ask("storage.s3.region", "", "The region.")),
            endpoint: r
                .checked_text(Ask("storage.s3.endpoint", "", "The URL of a store that is not Amazon's."), check_url),
            force_path_style: r.flag(Ask(
                "storage.s3.force_path_style",
                "false",
                "Put the bucket into the path, not into the host name.",
            )),
            ca_file: r.path(Ask("storage.s3.ca_file", "", "PEM file with authorities to trust beside the system's.")),
            access_key_id_file: r.path(Ask("storage.s3.access_key_id_file", "", "File that holds the access key id.")),
            secret_access_key_file: r.path(Ask(
                "storage.s3.secret_access_key_file",
                "",
                "File that holds the secret access key.",
            )),
            allow_unconditional: r.flag(Ask(
                "storage.s3.allow_unconditional",
                "false",
                "Go on with a store that does not honour conditional writes: one replica only, at one's own risk.",
            )),
        };
        both_or_none(r, "storage.s3.access_key_id_file", "storage.s3.secret_access_key_file");
        match (r.is_set("storage.local.path"), r.is_set("storage.s3.bucket")) {
            (true, true) => r.wrong(
                "storage.s3.bucket",
                "excludes storage.local.path: an element has one storage, remove one of them",
            ),
            (false, false) => r.wrong(
                "storage.local.path",
                "set it to the folder that shall hold the element's files, or storage.s3.bucket",
            ),
            _ => {}
        }
        Self { local: LocalConfig { path: local.unwrap_or_default() }, s3: bucket.map(|_| s3) }
    }
}

/// `database`: where the catalog is.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The embedded database.
    pub sqlite: SqliteConfig,
    /// A server, instead.
    pub postgres: Option<PostgresConfig>,
}

/// `database.sqlite`.
#[derive(Clone, Debug)]
pub struct SqliteConfig {
    /// The database file.
    pub path: PathBuf,
}

/// `database.postgres`.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// How to connect, password included.
    pub url: Secret,
    /// The schema of this element.
    pub schema: String,
    /// Authorities to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Connections kept open.
    pub pool_size: u32,
    /// Connections beyond that under load.
    pub pool_overflow: u32,
    /// How long to wait for one.
    pub acquire_timeout: Duration,
    /// How long one is used.
    pub recycle: Duration,
}

impl DatabaseConfig {
    pub(in crate::config) fn read(r: &mut Reader) -> Self {
        let path = r.path(Ask(
            "database.sqlite.path",
            "catalog.sqlite",
            "The SQLite file of the catalog; relative to the working directory. It can be made again \
             from the volume at any time.",
        ));
        let url = r.secret(Ask(
            "database.postgres.url",
            "",
            "How to connect to PostgreSQL, instead of SQLite. Better: `url_file`.",
        ));
        let url_file =
            r.path(Ask("database.postgres.url_file", "", "File that holds the URL, so that a Secret can be mounted."));
        let both = r.is_set("database.postgres.url") && r.is_set("database.postgres.url_file");
        if both {
            r.wrong("database.postgres.url_file", "excludes database.postgres.url: set one of them");
        }
        if (url.is_some() || url_file.is_some()) && r.is_set("database.sqlite.path") {
            r.wrong(
                "database.sqlite.path",
                "excludes database.postgres: an element has one catalog, remove one of them",
            );
        }
        let url = match url_file.filter(|_| !both) {
            Some(file) => read_secret(r, "database.postgres.url_file", &file),
            None => url,
        };
        let postgres = PostgresConfig {
            url: Secret::new(url.clone().unwrap_or_default()),
            schema: r
                .checked_text(
                    Ask(
                        "database.postgres.schema",
                        "storage_element",
                        "The schema of this element: many elements share one database, each in its own.",
                    ),
                    check_schema,
                )
                .unwrap_or_default(),
            ca_file: r.path(Ask(
                "database.postgres.ca_file",
                "",
                "PEM file with authorities to trust beside the system's.",
            )),
            pool_size: r.small(
                Ask("database.postgres.pool_size", "10", "Connections kept open."),
                1,
                1000,
                "connections",
            ),
            pool_overflow: r.small(
                Ask("database.postgres.pool_overflow", "20", "Connections beyond that under load."),
                0,
                1000,
                "connections",
            ),
            acquire_timeout: r.seconds(
                Ask("database.postgres.acquire_timeout_seconds", "30", "How long a request waits for a connection."),
                600,
            ),
            recycle: r.seconds(
                Ask("database.postgres.recycle_seconds", "3600", "After this long a connection is replaced."),
                604_800,
            ),
        };
        Self { sqlite: SqliteConfig { path: path.unwrap_or_default() }, postgres: url.map(|_| postgres) }
    }
}

/// Reads a secret from its file. The line end that editors add does not count.
fn read_secret(r: &mut Reader, key: &'static str, file: &Path) -> Option<String> {
    match std::fs::read_to_string(file) {
        Ok(text) if text.trim().is_empty() => {
            r.wrong(key, format!("the file {} is empty", file.display()));
            None
        }
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) => {
            r.wrong(key, format!("the file {} cannot be read: {error}", file.display()));
            None
        }
    }
}

fn check_schema(name: &str) -> Result<(), String> {
    let plain = name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if plain && name.len() <= 63 && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(());
    }
    Err(format!("must be 1 to 63 of a-z, 0-9 and _, not beginning with a digit, not {name:?}"))
}
