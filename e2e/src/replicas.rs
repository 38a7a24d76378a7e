//! Several nodes of one element under a Lease, each with ways to the API server, the catalog and the store that a test
//! can cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::control_plane::Access;
use crate::database::Schema;
use crate::link::Target;
use crate::peers::Peers;
use crate::{Answer, Bucket, Client, ControlPlane, Database, Link, Make, Node, Setup, Storage, Tokens, Upload};

/// The times of a Lease in tests, in seconds: duration, renew deadline, retry.
pub const TIMES: (u64, u64, u64) = (4, 3, 1);
const NAMESPACE: &str = "default";
/// How long the nodes may take to have a master, on a machine that is busy.
const MASTER_PATIENCE: Duration = Duration::from_mins(1);

/// Nodes that share a storage and a catalog.
pub struct Replicas {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Each node's ways out.
    pub ways: Vec<Ways>,
    lease: String,
    /// What their peer ports know each other by.
    pub peers: Arc<Peers>,
    // Dropped last: the folder of files that all share.
    _volume: Option<tempfile::TempDir>,
}

/// What one node reaches others by.
pub struct Ways {
    /// To the API server.
    pub api: Link,
    /// To the catalog.
    pub catalog: Link,
    /// To the bucket; none to a folder.
    pub store: Option<Link>,
}

impl Replicas {
    /// `count` nodes that are set up and not started, with a Lease that nobody holds. `with` may add to each node's
    /// choices.
    ///
    /// # Errors
    /// When something they stand on cannot be made.
    pub async fn prepare(make: Make, count: usize, with: impl Fn(Setup) -> Setup) -> Result<Self> {
        let plane = tokio::task::block_in_place(ControlPlane::shared);
        let lease = format!("se-{}", Uuid::new_v4().simple());
        let access = lease_for(plane, &lease).await?;
        let schema = Arc::new(tokio::task::block_in_place(Schema::shared));
        let (storage, volume) = if make.is_local() {
            let folder = tempfile::Builder::new().prefix("storage-element-e2e-volume-").tempdir()?;
            (Storage::Folder(folder.path().to_owned()), Some(folder))
        } else {
            (Storage::Bucket(Arc::new(tokio::task::block_in_place(Bucket::new)?)), None)
        };
        let peers = Arc::new(Peers::new(count)?);
        let element = Uuid::new_v4().to_string();
        let (mut nodes, mut ways) = (Vec::new(), Vec::new());
        for number in 0..count {
            let ways_of_it = Ways::to(plane, &schema, &storage)?;
            let url = format!("postgres://se@{}/postgres", ways_of_it.catalog.address());
            let mut setup = with(Setup::new())
                .storage(storage.clone())
                .database(Database::Postgres(Arc::clone(&schema)))
                .setting("element.id", element.clone())
                .setting("database.postgres.url", url)
                .setting("database.postgres.pool_size", 3)
                .setting("database.postgres.acquire_timeout_seconds", 3)
                // A line for every question whether it is ready would hide everything else.
                .setting("logging.level", "info,storage_node::http::front=off")
                .setting("election.kind", "lease")
                .setting("election.namespace", NAMESPACE)
                .setting("election.lease_name", lease.clone())
                .setting("election.replicas", count)
                .setting("election.lease_duration_seconds", TIMES.0)
                .setting("election.renew_deadline_seconds", TIMES.1)
                .setting("election.retry_period_seconds", TIMES.2);
            setup = peers.join(setup, number)?;
            if let Some(store) = &ways_of_it.store {
                setup = setup.setting("storage.s3.endpoint", format!("http://{}", store.address()));
            }
            let mut node = setup.prepare()?;
            let through = access.through(&ways_of_it.api)?;
            node.set_env("KUBECONFIG", &through.kubeconfig().display().to_string());
            node.set_env("POD_NAME", &format!("node-{number}"));
            node.set_env("POD_UID", &Uuid::new_v4().to_string());
            nodes.push(node);
            ways.push(ways_of_it);
        }
        Ok(Self { nodes, ways, lease, peers, _volume: volume })
    }

    /// The same, started and with a master that takes writes.
    ///
    /// # Errors
    /// When they do not become ready.
    pub async fn start(make: Make, count: usize) -> Result<Self> {
        let mut replicas = Self::prepare(make, count, |setup| setup).await?;
        for node in &mut replicas.nodes {
            node.spawn()?;
        }
        replicas.master().await?;
        for node in &replicas.nodes {
            replicas.ready(node).await?;
        }
        Ok(replicas)
    }

    /// Waits until a node is ready.
    ///
    /// # Errors
    /// When it is not within a minute.
    pub async fn ready(&self, node: &Node) -> Result<()> {
        let begun = Instant::now();
        while !tokio::task::block_in_place(|| node.is_ready()) {
            ensure!(begun.elapsed() < MASTER_PATIENCE, "a node is not ready:\n{}", node.log_tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits for a node that says it is master and ready; which one.
    ///
    /// # Errors
    /// When there is none within a minute.
    pub async fn master(&self) -> Result<usize> {
        self.master_but(usize::MAX).await
    }

    /// The same among the others than `but`, which may be frozen and answer nothing.
    ///
    /// # Errors
    /// When there is none within a minute.
    pub async fn master_but(&self, but: usize) -> Result<usize> {
        let begun = Instant::now();
        loop {
            for (number, node) in self.nodes.iter().enumerate().filter(|(number, _)| *number != but) {
                if role(node).await.as_deref() == Some("master") && tokio::task::block_in_place(|| node.is_ready()) {
                    return Ok(number);
                }
            }
            if begun.elapsed() > MASTER_PATIENCE {
                let logs: Vec<_> = self.nodes.iter().map(Node::log_tail).collect();
                bail!("no master after {MASTER_PATIENCE:?}:\n{}", logs.join("\n---\n"));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// A client of each node, with a token of `role`.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn clients(&self, role: &str) -> Result<Vec<Client>> {
        let token = Tokens::shared().role(role);
        self.nodes.iter().map(|node| Client::new(&node.url(), Some(token.clone()))).collect()
    }

    /// The Lease as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn lease(&self) -> Result<Lease> {
        let client = ControlPlane::shared().admin().client().await?;
        Ok(Api::<Lease>::namespaced(client, NAMESPACE).get(&self.lease).await?)
    }
}

impl Ways {
    fn to(plane: &ControlPlane, schema: &Schema, storage: &Storage) -> Result<Self> {
        let sockets = schema.server().folder().context("this test needs a PostgreSQL of its own")?;
        let store = match storage {
            Storage::Folder(_) => None,
            Storage::Bucket(bucket) => {
                let address: SocketAddr = bucket.endpoint().trim_start_matches("http://").parse()?;
                Some(Link::to(Target::Tcp(address))?)
            }
        };
        Ok(Self {
            api: Link::to(Target::Tcp(plane.address()?))?,
            catalog: Link::to(Target::Unix(sockets.join(".s.PGSQL.5432")))?,
            store,
        })
    }
}

/// What a node says it is; `None` when it does not answer.
pub async fn role(node: &Node) -> Option<String> {
    let info = info(node).await?;
    info["role"].as_str().map(str::to_owned)
}

/// What a node says of the element; `None` when it does not answer.
pub async fn info(node: &Node) -> Option<Value> {
    let client = Client::new(&node.url(), None).ok()?;
    let answer = tokio::time::timeout(Duration::from_secs(2), client.get("/api/v1/info")).await.ok()?.ok()?;
    answer.json().ok().filter(|_| answer.status == 200)
}

/// How long a write that is refused for the moment is repeated.
pub const RETRY_PATIENCE: Duration = Duration::from_mins(1);
/// How long one attempt may take: a frozen node never answers.
const ATTEMPT: Duration = Duration::from_secs(8);

/// Uploads as a careful client does: with an `Idempotency-Key`, repeated at the next node for as long as nobody says
/// yes or no.
///
/// # Errors
/// When it is not accepted in time, or refused for good.
pub async fn upload_somewhere(clients: &[Client], first: usize, upload: &Upload) -> Result<Answer> {
    let begun = Instant::now();
    let mut at = first;
    loop {
        let attempt = tokio::time::timeout(ATTEMPT, clients[at % clients.len()].upload(upload)).await;
        let said = match attempt {
            Ok(Ok(answer)) if answer.status == 201 => return Ok(answer),
            Ok(Ok(answer)) if answer.status != 503 && answer.status != 429 => bail!("refused: {answer}"),
            Ok(Ok(answer)) => answer.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        ensure!(begun.elapsed() < RETRY_PATIENCE, "not accepted within {RETRY_PATIENCE:?}, last: {said}");
        at += 1;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// Makes the Lease, as the operator does, and an account that may get, update and watch this one and nothing else.
///
/// # Errors
/// When the API server refuses.
pub async fn lease_for(plane: &ControlPlane, name: &str) -> Result<Access> {
    let client = plane.admin().client().await?;
    let post = PostParams::default();
    let metadata = json!({"name": name, "namespace": NAMESPACE});
    let lease: Lease = serde_json::from_value(json!({"metadata": metadata, "spec": {}}))?;
    Api::<Lease>::namespaced(client.clone(), NAMESPACE).create(&post, &lease).await?;
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": metadata}))?;
    Api::<ServiceAccount>::namespaced(client.clone(), NAMESPACE).create(&post, &account).await?;
    let rules = json!([{
        "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [name],
        "verbs": ["get", "update", "watch"],
    }]);
    let role: Role = serde_json::from_value(json!({"metadata": metadata, "rules": rules}))?;
    Api::<Role>::namespaced(client.clone(), NAMESPACE).create(&post, &role).await?;
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}],
    }))?;
    Api::<RoleBinding>::namespaced(client, NAMESPACE).create(&post, &binding).await?;
    plane.admin().account(NAMESPACE, name).await
}
