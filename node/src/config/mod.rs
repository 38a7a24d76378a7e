//! The configuration: environment over file over defaults, typed, validated as a whole.
//!
//! Source of the rules: the product specification, `10-node`, section Configuration. Every key is documented in
//! `docs/configuration.md`, which is generated from here.

mod document;
mod error;
mod reader;
mod sections;
mod sources;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use document::{page, sample};
pub use error::{ConfigErrors, ConfigProblem};
pub use reader::{ConfigItem, MASK};
pub use sections::*;
pub use sources::{CONFIG_FILE_VARIABLE, Source, variable_of};

use reader::{KeyDoc, Reader};
use sections::collide;
use sources::Sources;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which element this node serves.
    pub element: ElementConfig,
    /// Where the API is served.
    pub server: ServerConfig,
    /// Where nodes and the operator speak to this node; `None`: nowhere.
    pub peer: Option<PeerConfig>,
    /// The certificate of the API.
    pub tls: TlsConfig,
    /// How tokens are checked.
    pub auth: AuthConfig,
    /// Where the bytes and the attr files are.
    pub storage: StorageConfig,
    /// Where the catalog is.
    pub database: DatabaseConfig,
    /// How the master is chosen.
    pub election: ElectionConfig,
    /// How old a row of the catalog may be.
    pub cache: CacheConfig,
    /// What one client may take.
    pub limits: LimitsConfig,
    /// How full is how bad.
    pub capacity: CapacityConfig,
    /// How long files are kept.
    pub retention: RetentionConfig,
    /// Logs.
    pub logging: LoggingConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
    /// Traces.
    pub tracing: TracingConfig,
    items: Vec<ConfigItem>,
}

impl Config {
    /// Loads the configuration from the variables in `env`, the file (`file`, else what `STORAGE_ELEMENT_CONFIG`
    /// names), and defaults, in this order. For a running program `env` is [`environment()`].
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let env: BTreeMap<String, String> = env.collect();
        let known: BTreeSet<&'static str> = keys().iter().map(|doc| doc.key).collect();
        let mut reader = Reader::new(Sources::gather(file, &env, &known));
        let mut config = Self::read(&mut reader);
        check_together(&mut reader, &config);
        if reader.problems.is_empty() {
            config.items = reader.items;
            return Ok(config);
        }
        reader.problems.sort_by(|a, b| a.key.cmp(&b.key));
        Err(ConfigErrors { problems: reader.problems })
    }

    /// The mode that the real one is compared with: none where an operator decides it.
    pub fn compared_mode(&self) -> Option<storage_element_crds::Mode> {
        self.element.mode.filter(|_| self.election.kind == ElectionKind::Lock)
    }

    /// Every key with its value and source, those without a value too; secrets are masked.
    pub fn items(&self) -> &[ConfigItem] {
        &self.items
    }

    fn read(r: &mut Reader) -> Self {
        Self {
            element: ElementConfig::read(r),
            server: ServerConfig::read(r),
            peer: PeerConfig::read(r),
            tls: TlsConfig::read(r),
            auth: AuthConfig::read(r),
            storage: StorageConfig::read(r),
            database: DatabaseConfig::read(r),
            election: ElectionConfig::read(r),
            cache: CacheConfig::read(r),
            limits: LimitsConfig::read(r),
            capacity: CapacityConfig::read(r),
            retention: RetentionConfig::read(r),
            logging: LoggingConfig::read(r),
            metrics: MetricsConfig::read(r),
            tracing: TracingConfig::read(r),
            items: Vec::new(),
        }
    }
}

/// Every key, in the order of the sections: reading nothing asks for all of them.
fn keys() -> Vec<KeyDoc> {
    let mut reader = Reader::new(Sources::default());
    Config::read(&mut reader);
    reader.docs
}

/// What each section cannot see by itself.
fn check_together(r: &mut Reader, config: &Config) {
    let election = &config.election;
    if election.kind == ElectionKind::Lease && election.replicas > 1 && config.database.postgres.is_none() {
        r.wrong(
            "database.postgres.url",
            "is needed with election.kind = lease and election.replicas > 1: nodes on several machines cannot share an \
             SQLite file",
        );
    }
    if election.kind == ElectionKind::Lock && election.replicas > 1 {
        r.wrong(
            "election.replicas",
            "must be 1 with election.kind = lock: several nodes need a Lease to agree on a master",
        );
    }
    if config.storage.s3.as_ref().is_some_and(|s3| s3.allow_unconditional) && config.election.replicas > 1 {
        r.wrong(
            "storage.s3.allow_unconditional",
            "is for one node: with election.replicas > 1 use a store that honours conditional writes",
        );
    }
    let many = config.election.kind == ElectionKind::Lease && config.election.replicas > 1;
    if many && !PeerConfig::KEYS.iter().any(|key| r.is_set(key)) {
        r.wrong(
            "peer.listen",
            "set all keys of peer: with several replicas a standby passes writes on through this port",
        );
    }
    if let Some(peer) = &config.peer {
        let others = [Some(config.server.listen), config.server.admin_listen];
        if others.into_iter().flatten().any(|other| collide(peer.listen, other)) {
            r.wrong("peer.listen", "is the same as a port of server: choose another one");
        }
    }
}

/// The variables of this process. One whose value is not Unicode is taken with replacement characters, so that it is
/// not silently ignored.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}

#[cfg(test)]
mod tests;
