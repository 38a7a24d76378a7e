//! How a node is set up before it is started: its folders, keys and configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::database::{Database, Schema};
use crate::node::Place;
use crate::storage::Storage;
use crate::{Bucket, Make, Node, Tokens, binaries};

/// Levels so close to nothing that no disk reaches them.
const CAPACITY: [(&str, &str); 6] = [
    ("capacity.warning_percent", "0.0002"),
    ("capacity.warning_bytes", "0"),
    ("capacity.critical_percent", "0.0001"),
    ("capacity.critical_bytes", "0"),
    ("capacity.full_percent", "0"),
    ("capacity.full_bytes", "0"),
];

/// The choices for a node. Everything left alone has a default: mode `edit`, an element id of its own, a volume and a
/// catalog in a temporary folder, the key of [`Tokens::shared`], and no care for how full the disk is.
pub struct Setup {
    binary: &'static str,
    make: Make,
    settings: Vec<(String, Value)>,
    storage: Option<Storage>,
    database: Option<Database>,
    base: Option<PathBuf>,
    jwks: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            binary: binaries::NODE,
            make: Make::SqliteLocal,
            // So that a disk which others have filled fails no test that is not about it.
            settings: CAPACITY.map(|(key, value)| (key.to_owned(), value.into())).into(),
            storage: None,
            database: None,
            base: None,
            jwks: Tokens::shared().jwks(),
        }
    }
}

impl Setup {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Use the program with fail points compiled in.
    #[must_use]
    pub fn with_failpoints(mut self) -> Self {
        self.binary = binaries::NODE_WITH_FAILPOINTS;
        self
    }

    /// Set the configuration key `key` (dotted, as the documentation writes it). `null` leaves the key out.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings.push((key.to_owned(), value.into()));
        self
    }

    /// Use this catalog with this storage: a schema, a bucket of the node's own.
    #[must_use]
    pub fn make(mut self, make: Make) -> Self {
        self.make = make;
        self
    }

    /// Care for free space as a node does by default.
    #[must_use]
    pub fn with_capacity_levels(self) -> Self {
        CAPACITY.into_iter().fold(self, |setup, (key, _)| setup.setting(key, Value::Null))
    }

    /// Keep files in this folder instead of one of its own.
    #[must_use]
    pub fn volume(self, volume: &Path) -> Self {
        self.storage(Storage::Folder(volume.to_owned()))
    }

    /// Keep files there instead of in a place of its own.
    #[must_use]
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Keep the catalog there instead of in a place of its own.
    #[must_use]
    pub fn database(mut self, database: Database) -> Self {
        self.database = Some(database);
        self
    }

    /// Make the node's temporary folder below this one: to choose the disk.
    #[must_use]
    pub fn below(mut self, base: &Path) -> Self {
        self.base = Some(base.to_owned());
        self
    }

    /// Trust the keys of this JWKS.
    #[must_use]
    pub fn jwks(mut self, jwks: String) -> Self {
        self.jwks = jwks;
        self
    }

    /// Writes keys and configuration; starts nothing.
    ///
    /// # Errors
    /// When the program was not built or the folders cannot be made.
    pub fn prepare(self) -> Result<Node> {
        let binary = binaries::find(self.binary)?;
        let mut folder = tempfile::Builder::new();
        folder.prefix("storage-element-e2e-");
        let folder = match &self.base {
            Some(base) => folder.tempdir_in(base),
            None => folder.tempdir(),
        };
        let folder = folder.context("no temporary folder could be made")?;
        let port = free_port()?;
        let storage = match self.storage.clone() {
            Some(storage) => storage,
            None if self.make.is_local() => Storage::Folder(folder.path().join("volume")),
            None => Storage::Bucket(Arc::new(Bucket::new()?)),
        };
        let database = match self.database.clone() {
            Some(database) => database,
            None if self.make.is_sqlite() => Database::Sqlite(folder.path().join("catalog")),
            None => Database::Postgres(Arc::new(Schema::shared())),
        };
        let place = Place { folder, storage, database };
        let config = self.config(&place, port)?;
        Ok(Node::new(binary, place, config, port))
    }

    /// Prepares a node and starts it.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(self) -> Result<Node> {
        let mut node = self.prepare()?;
        node.start()?;
        Ok(node)
    }

    fn config(&self, place: &Place, port: u16) -> Result<PathBuf> {
        let folder = place.folder.path();
        let keys = folder.join("jwks.json");
        std::fs::write(&keys, &self.jwks)?;
        let storage = match &place.storage {
            Storage::Folder(volume) => {
                std::fs::create_dir_all(volume)?;
                json!({"local": {"path": volume}})
            }
            Storage::Bucket(bucket) => bucket.settings(folder)?,
        };
        if let Database::Sqlite(catalog) = &place.database {
            std::fs::create_dir_all(catalog)?;
        }
        let mut config = json!({
            "element": {"id": Uuid::new_v4().to_string(), "mode": "edit"},
            "server": {"listen": format!("127.0.0.1:{port}")},
            "auth": {"jwt": {"keys": keys}},
            "storage": storage,
            "database": place.database.settings(),
            "logging": {"format": "json", "level": "info"},
        });
        for (key, value) in &self.settings {
            set(&mut config, key, value.clone());
        }
        // JSON is YAML.
        let path = folder.join("config.yaml");
        std::fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        Ok(path)
    }
}

/// Sets a dotted key; `null` removes it.
fn set(config: &mut Value, key: &str, value: Value) {
    if !config.is_object() {
        *config = Value::Object(Map::new());
    }
    let Some(section) = config.as_object_mut() else { return };
    match key.split_once('.') {
        Some((first, rest)) => set(section.entry(first).or_insert(Value::Null), rest, value),
        None if value.is_null() => drop(section.remove(key)),
        None => drop(section.insert(key.to_owned(), value)),
    }
}

/// A port nobody listens on. It is outside of the range from which the kernel takes ports for outgoing connections,
/// so that no client can take it while the node is being restarted.
///
/// # Errors
/// When a hundred tries found none.
pub fn free_port() -> Result<u16> {
    (0..100)
        .map(|_| rand::random_range(12_000..32_000))
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port found between 12000 and 32000")
}
