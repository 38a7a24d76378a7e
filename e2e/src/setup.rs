//! How a node is set up before it is started: its folders, keys and configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{Node, Tokens, binaries};

/// The choices for a node. Everything left alone has a default: mode `edit`, an element id of its own, a volume and a
/// catalog in a temporary folder, the key of [`Tokens::shared`].
pub struct Setup {
    binary: &'static str,
    settings: Vec<(String, Value)>,
    volume: Option<PathBuf>,
    base: Option<PathBuf>,
    jwks: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self { binary: binaries::NODE, settings: Vec::new(), volume: None, base: None, jwks: Tokens::shared().jwks() }
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

    /// Keep files in this folder instead of one of its own.
    #[must_use]
    pub fn volume(mut self, volume: &Path) -> Self {
        self.volume = Some(volume.to_owned());
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
        let volume = self.volume.clone().unwrap_or_else(|| folder.path().join("volume"));
        let config = self.config(&folder, &volume, port)?;
        Ok(Node::new(binary, folder, volume, config, port))
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

    fn config(&self, folder: &TempDir, volume: &Path, port: u16) -> Result<PathBuf> {
        let (catalog, keys) = (folder.path().join("catalog"), folder.path().join("jwks.json"));
        std::fs::create_dir_all(volume)?;
        std::fs::create_dir_all(&catalog)?;
        std::fs::write(&keys, &self.jwks)?;
        let mut config = json!({
            "element": {"id": Uuid::new_v4().to_string(), "mode": "edit"},
            "server": {"listen": format!("127.0.0.1:{port}")},
            "auth": {"jwt": {"keys": keys}},
            "storage": {"local": {"path": volume}},
            "database": {"sqlite": {"path": catalog.join("catalog.sqlite")}},
            "logging": {"format": "json", "level": "info"},
        });
        for (key, value) in &self.settings {
            set(&mut config, key, value.clone());
        }
        // JSON is YAML.
        let path = folder.path().join("config.yaml");
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
