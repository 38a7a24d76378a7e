//! A real Kubernetes API: etcd and kube-apiserver with real certificates and RBAC, on free ports, and, when asked for, the
//! controller manager. No node runs and nothing schedules: for what pods do there is the cluster.

mod access;
mod audit;
mod certificates;
mod programs;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

pub use self::access::Access;
pub use self::audit::{Audit, Request};
pub use self::certificates::{Authority, Signed};
pub use self::programs::program;
use crate::daemon::Daemon;
use crate::setup::free_port;

/// The variable that names a cluster to use in place of one started here.
pub const KUBECONFIG_VARIABLE: &str = "E2E_KUBECONFIG";

/// How long a part may take to be ready, on a machine that is busy.
const READY_PATIENCE: Duration = Duration::from_mins(2);

/// What is wanted beside etcd and kube-apiserver.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    controllers: bool,
    audit: bool,
    /// Where the API server listens.
    address: Ipv4Addr,
    /// Pods run: there is a scheduler too, and the Service `kubernetes` leads to the API server.
    pods: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self { controllers: false, audit: false, address: Ipv4Addr::LOCALHOST, pods: false }
    }
}

impl Parts {
    /// The controller manager too: endpoints, garbage collection of owned objects, namespaces that end.
    #[must_use]
    pub fn controllers(self) -> Self {
        Self { controllers: true, ..self }
    }

    /// An audit log of every request: [`ControlPlane::audit`].
    #[must_use]
    pub fn audit(self) -> Self {
        Self { audit: true, ..self }
    }

    /// For nodes that find the API server at `address`, an address of this machine: with a scheduler.
    #[must_use]
    pub fn pods_reach(self, address: Ipv4Addr) -> Self {
        Self { address, pods: true, ..self }
    }

    /// Starts them.
    ///
    /// # Errors
    /// When a program is missing and cannot be built, or does not start.
    pub fn start(self) -> Result<ControlPlane> {
        ControlPlane::start(self)
    }
}

/// A control plane. On drop its processes are killed and its folder is removed.
pub struct ControlPlane {
    admin: Access,
    own: Option<Own>,
}

/// Dropped in this order: who asks first.
struct Own {
    _controllers: Vec<Daemon>,
    api_server: Daemon,
    _etcd: Daemon,
    address: SocketAddr,
    authority: Authority,
    folder: TempDir,
}

impl ControlPlane {
    /// etcd and kube-apiserver that all tests of this process share: the cluster that `E2E_KUBECONFIG` names, else one
    /// started here.
    ///
    /// # Panics
    /// When there is none, with a sentence that says how to get it.
    #[allow(clippy::panic, reason = "a test without its control plane has failed, and says why")]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| {
            let made = match std::env::var_os(KUBECONFIG_VARIABLE) {
                Some(path) if !path.is_empty() => Ok(Self { admin: Access::of(PathBuf::from(path)), own: None }),
                _ => Self::start(Parts::default()),
            };
            made.unwrap_or_else(|error| panic!("no Kubernetes API for the tests: {error:#}"))
        })
    }

    fn start(parts: Parts) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("storage-element-e2e-control-plane-").tempdir()?;
        let authority = Authority::new(folder.path())?;
        let ports = [free_port()?, free_port()?, free_port()?];
        let etcd = start_etcd(folder.path(), ports[0], ports[1])?;
        let address = SocketAddr::from((parts.address, ports[2]));
        let api_server = start_api_server(folder.path(), &authority, ports[0], address, parts)?;
        let server = format!("https://{address}");
        let signed = authority.client("admin", "e2e-admin", Some("system:masters"))?;
            let admin =
            Access::write(folder.path().join("admin.kubeconfig"), &server, &authority.certificate(), &signed)?;
        api_server.wait_until(READY_PATIENCE, || is_ready(admin.kubeconfig()))?;
        let mut controllers = Vec::new();
        if parts.controllers {
            controllers.push(start_controllers(folder.path(), &authority, &server)?);
        }
        if parts.pods {
            controllers.push(start_scheduler(folder.path(), &authority, &server)?);
        }
        let own = Own { _controllers: controllers, api_server, _etcd: etcd, address, authority, folder };
        Ok(Self { admin, own: Some(own) })
    }

    /// The way in of someone who may do everything.
    pub fn admin(&self) -> &Access {
        &self.admin
    }

    /// The API server's process: to be frozen or killed.
    ///
    /// # Errors
    /// When it is somebody else's cluster.
    pub fn api_server(&self) -> Result<&Daemon> {
        Ok(&self.own()?.api_server)
    }

    /// Where the API server listens.
    ///
    /// # Errors
    /// When it is somebody else's cluster.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.own()?.address)
    }

    /// Who signs its certificates.
    ///
    /// # Errors
    /// When it is somebody else's cluster.
    pub fn authority(&self) -> Result<&Authority> {
        Ok(&self.own()?.authority)
    }

    /// What was asked of the API server. To be had with [`Parts::audit`].
    ///
    /// # Errors
    /// When it is somebody else's cluster.
    pub fn audit(&self) -> Result<Audit> {
        Ok(Audit::of(self.own()?.folder.path().join("audit.log")))
    }

    fn own(&self) -> Result<&Own> {
        self.own.as_ref().with_context(|| {
            format!("this test needs a control plane of its own, not the one that {KUBECONFIG_VARIABLE} names")
        })
    }
}

fn start_etcd(folder: &Path, client: u16, peer: u16) -> Result<Daemon> {
    let mut command = Command::new(program("etcd")?);
    let (client, peer) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    command.args(["--name", "e2e", "--unsafe-no-fsync", "--log-level", "warn"]);
    command.arg("--data-dir").arg(folder.join("etcd"));
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("e2e={peer}")]);
    let etcd = Daemon::start(&command, &folder.join("etcd.log"))?;
    let address = client.trim_start_matches("http://").to_owned();
    etcd.wait_until(READY_PATIENCE, || std::net::TcpStream::connect(&address).is_ok())?;
    Ok(etcd)
}

fn start_api_server(
    folder: &Path,
    authority: &Authority,
    etcd: u16,
    address: SocketAddr,
    parts: Parts,
) -> Result<Daemon> {
    let ip = address.ip().to_string();
    let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let inside = ["kubernetes.default.svc.cluster.local", "127.0.0.1", "10.96.0.1", ip.as_str()];
    let serving = authority.server("apiserver", &[&names[..], &inside[..]].concat())?;
    let (private, public) = authority.pair("accounts")?;
    let mut command = Command::new(program("kube-apiserver")?);
    let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
    command.args([
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        format!("--bind-address={ip}"),
        format!("--secure-port={}", address.port()),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--allow-privileged".to_owned(),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        option("client-ca-file", &authority.certificate()),
        option("tls-cert-file", &serving.certificate),
        option("tls-private-key-file", &serving.key),
        option("service-account-key-file", &public),
        option("service-account-signing-key-file", &private),
        option("cert-dir", &folder.join("apiserver-certificates")),
    ]);
    if parts.pods {
        let signed = authority.client("apiserver-kubelet", "kube-apiserver", Some("system:masters"))?;
        command.arg(format!("--advertise-address={ip}"));
        command.arg(option("kubelet-client-certificate", &signed.certificate));
        command.arg(option("kubelet-client-key", &signed.key));
        command.arg(option("kubelet-certificate-authority", &authority.certificate()));
    } else {
        command.arg("--endpoint-reconciler-type=none");
    }
    if parts.audit {
        command.args(audit::options(folder)?);
    }
    Daemon::start(&command, &folder.join("apiserver.log"))
}

fn start_controllers(folder: &Path, authority: &Authority, server: &str) -> Result<Daemon> {
    let signed = authority.client("controllers", "system:kube-controller-manager", None)?;
    let access = Access::write(folder.join("controllers.kubeconfig"), server, &authority.certificate(), &signed)?;
    let port = free_port()?;
    let mut command = Command::new(program("kube-controller-manager")?);
    command.arg("--kubeconfig").arg(access.kubeconfig());
    command.arg("--root-ca-file").arg(authority.certificate());
    command.arg("--service-account-private-key-file").arg(folder.join("accounts.key"));
    command.args(["--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1"]);
    command.arg("--cert-dir").arg(folder.join("controllers-certificates"));
    command.arg(format!("--secure-port={port}"));
    // A lost node is seen within seconds: tests of it stay short.
    command.args(["--node-monitor-grace-period=8s", "--node-monitor-period=1s"]);
    let controllers = Daemon::start(&command, &folder.join("controllers.log"))?;
    controllers.wait_until(READY_PATIENCE, || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())?;
    Ok(controllers)
}

fn start_scheduler(folder: &Path, authority: &Authority, server: &str) -> Result<Daemon> {
    let signed = authority.client("scheduler", "system:kube-scheduler", None)?;
    let access = Access::write(folder.join("scheduler.kubeconfig"), server, &authority.certificate(), &signed)?;
    let mut command = Command::new(program("kube-scheduler")?);
    command.arg("--kubeconfig").arg(access.kubeconfig());
    command.args(["--leader-elect=false", "--bind-address=127.0.0.1"]);
    command.arg("--cert-dir").arg(folder.join("scheduler-certificates"));
    command.arg(format!("--secure-port={}", free_port()?));
    Daemon::start(&command, &folder.join("scheduler.log"))
}

/// Asked with the client that tests use, on a runtime of its own: this code is called from a test's own thread.
fn is_ready(kubeconfig: &Path) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return false };
    let access = Access::of(kubeconfig.to_owned());
    runtime.block_on(async move {
        let asked = async {
            let client = access.client().await?;
            let asked = client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
            anyhow::Ok(asked == "ok")
        };
        tokio::time::timeout(Duration::from_secs(5), asked).await.is_ok_and(|ready| ready.unwrap_or(false))
    })
}
