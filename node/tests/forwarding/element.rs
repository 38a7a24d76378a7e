//! An element with its nodes in this process: one that writes, and standbys beside it on the same folder and catalog.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use storage_element_crds::Mode;
use storage_node::catalog::sqlite::{SqliteCatalog, SqliteOptions};
use storage_node::catalog::{Catalog as _, SharedCatalog};
use storage_node::election::{Election, MasterSeen, Mastership, MastershipLost, Role};
use storage_node::element::{Adoption, CapacityRules, Element, ElementParts, ModeChanges, RetentionRules, Threshold};
use storage_node::files::{FileLimits, Files, FilesParts};
use storage_node::http::{
    AppState, Cors, Forwarder, Front, Limits, MutualTls, Pages, Patience, Services, peer_router, router, serve,
};
use storage_node::jobs::{Jobs, JobsParts};
use storage_node::model::FileIds;
use storage_node::security::{Authenticator, DevKeys, KeyStore, Role as TokenRole, TokenRules};
use storage_node::settling::{KeyLocks, Live, Settler, Successor, TakenOver, take_over};
use storage_node::storage::SharedStorage;
use storage_node::storage::local::LocalStorage;
use storage_node::telemetry::metrics::Metrics;
use storage_node::telemetry::otlp::Traces;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

static KEYS: LazyLock<(TempDir, DevKeys)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let keys = DevKeys::load_or_create(folder.path()).unwrap();
    (folder, keys)
});

/// The largest file, in bytes.
pub const FILE_LIMIT: u64 = 256 << 20;

pub fn token(role: TokenRole) -> String {
    format!("Bearer {}", KEYS.1.token(role, Duration::from_mins(10)).unwrap())
}

pub fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new("0.0.0").unwrap())
}

/// What nodes of one element share.
pub struct Ground {
    folder: TempDir,
    storage: SharedStorage,
    catalog: SharedCatalog,
    taken_over: TakenOver,
}

impl Ground {
    pub async fn new(mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("volume")).unwrap();
        let storage: SharedStorage = Arc::new(LocalStorage::open(&folder.path().join("volume")).unwrap());
        let database = folder.path().join("catalog.sqlite");
        let catalog = SqliteCatalog::open(&database, SqliteOptions::default()).await.unwrap();
        catalog.migrate().await.unwrap();
        let successor = Successor {
            holder: "master".to_owned(),
            address: None,
            above: 0,
            initial_mode: mode,
            expected_id: None,
            adoption: Adoption::Always,
        };
        let taken_over = take_over(storage.as_ref(), &catalog, &successor).await.unwrap();
        Self { folder, storage, catalog: Arc::new(catalog), taken_over }
    }

    pub fn volume(&self) -> PathBuf {
        self.folder.path().join("volume")
    }
}

/// What is different about a node.
pub struct Traits {
    pub limits: Limits,
    /// `None`: no peer port.
    pub tls: Option<MutualTls>,
    pub patience: Option<Patience>,
}

impl Default for Traits {
    fn default() -> Self {
        Self { limits: Limits { file_bytes: Some(FILE_LIMIT), ..Limits::default() }, tls: None, patience: None }
    }
}

impl Traits {
    pub fn with(tls: MutualTls) -> Self {
        Self { tls: Some(tls), ..Self::default() }
    }
}

/// A node. Its servers end when it is dropped.
pub struct Node {
    pub public: SocketAddr,
    /// Its peer port.
    pub peer: Option<SocketAddr>,
    pub mastership: Mastership,
    pub metrics: Arc<Metrics>,
    _stop: DropGuard,
}

struct Fixed(Role);

impl Election for Fixed {
    fn role(&self) -> Role {
        self.0
    }

    fn holder(&self) -> String {
        "master".to_owned()
    }

    fn check(&self) -> Result<(), MastershipLost> {
        Ok(())
    }
}

const NEVER: Threshold = Threshold { percent: 0.0, bytes: 0, most_percent: 0.0 };

impl Ground {
    pub async fn master(&self, traits: Traits) -> Node {
        self.node(Role::Master, traits).await
    }

    pub async fn standby(&self, traits: Traits) -> Node {
        self.node(Role::Standby, traits).await
    }

    async fn node(&self, role: Role, traits: Traits) -> Node {
        let stop = CancellationToken::new();
        let (metrics, mastership) = (metrics(), Mastership::default());
        let limits = Limits { drain_timeout: Duration::from_millis(100), ..traits.limits };
        let patience = traits.patience.unwrap_or_else(|| Patience::of(&limits));
        let keys = Arc::new(KeyStore::open(KEYS.1.jwks_path(), None).unwrap());
        let state = AppState::starting(Front {
            authenticator: Arc::new(Authenticator::new(keys, TokenRules::default())),
            metrics: Arc::clone(&metrics),
            traces: Traces::off(),
            limits: limits.clone(),
            cors: Cors::default(),
            forwarder: traits.tls.clone().map(|tls| Forwarder::new(tls, patience)),
            config: Vec::new(),
        });
        state.open(self.services(Arc::new(Fixed(role)), &metrics, &mastership, &stop));
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = public.local_addr().unwrap();
        tokio::spawn(serve(public, None, router(&state, Pages::NONE), limits.clone(), stop.clone()));
        let mut peer = None;
        if let Some(tls) = traits.tls {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            peer = Some(listener.local_addr().unwrap());
            tokio::spawn(serve(listener, Some(tls.acceptor()), peer_router(&state), limits, stop.clone()));
        }
        Node { public: address, peer, mastership, metrics, _stop: stop.drop_guard() }
    }

    fn services(
        &self,
        election: Arc<dyn Election>,
        metrics: &Arc<Metrics>,
        mastership: &Mastership,
        stop: &CancellationToken,
    ) -> Services {
        let (storage, catalog) = (&self.storage, &self.catalog);
        let (live, locks) = (Arc::new(Live::default()), Arc::new(KeyLocks::default()));
        let settler = Settler::new(
            Arc::clone(storage),
            Arc::clone(catalog),
            Arc::clone(&live),
            Arc::clone(&locks),
            Arc::clone(metrics),
        );
        let parts = ElementParts {
            storage: Arc::clone(storage),
            catalog: Arc::clone(catalog),
            election: Arc::clone(&election),
            configured_mode: None,
            rules: CapacityRules {
                quota_bytes: None,
                warning: NEVER,
                critical: NEVER,
                full: NEVER,
                critical_max_file_bytes: 0,
            },
            retention: RetentionRules::default(),
        };
        let is_standby = election.role() == Role::Standby;
        let element = Arc::new(Element::new(parts, self.taken_over.file.clone(), self.taken_over.term));
        let files = Files::new(FilesParts {
            storage: Arc::clone(storage),
            catalog: Arc::clone(catalog),
            election,
            element: Arc::clone(&element),
            live,
            locks: Arc::clone(&locks),
            settler: settler.clone(),
            ids: FileIds::default(),
            limits: FileLimits {
                file_bytes: Some(FILE_LIMIT),
                concurrent_uploads: 64,
                row_ttl: Duration::from_hours(24),
                row_ttl_sealed: Duration::from_hours(168),
            },
            metrics: Arc::clone(metrics),
        });
        // A standby that wrote by itself would be seen: only its gate would let it.
        element.recovered();
        if let Some(term) = element.term().filter(|_| is_standby) {
            element.step_down(term, "this is a standby");
        }
        let modes = ModeChanges::new(Arc::clone(&element), Arc::clone(storage), Arc::clone(catalog), stop.clone());
        let jobs = JobsParts {
            storage: Arc::clone(storage),
            catalog: Arc::clone(catalog),
            element: Arc::clone(&element),
            locks,
            expire: Arc::new(files.clone()),
        };
        Services {
            files,
            element,
            settler: Arc::new(settler),
            modes: Arc::new(modes),
            jobs: Arc::new(Jobs::new(jobs, stop.clone())),
            catalog: Arc::clone(catalog),
            mastership: mastership.clone(),
            observe: Box::new(|_| {}),
        }
    }
}

impl Node {
    /// Takes whoever listens at `address` for the master.
    pub fn follows(&self, address: SocketAddr) {
        self.saw(address, 1);
    }

    pub fn saw(&self, address: SocketAddr, epoch: u64) {
        self.mastership.saw(Some(MasterSeen {
            holder: "master".to_owned(),
            address: Some(address.to_string()),
            epoch,
        }));
    }

    /// How many hops ended like this.
    pub fn hops(&self, outcome: &str) -> u64 {
        let text = self.metrics.render(&storage_node::telemetry::metrics::Scrape::default()).unwrap();
        let name = format!("storage_element_forwarded_requests_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |number| number.parse().unwrap())
    }
}
