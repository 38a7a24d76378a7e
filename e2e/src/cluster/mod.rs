//! A real Kubernetes with pods that run: the control plane on this machine, and nodes in network namespaces of their own,
//! each with containerd, a kubelet and a kube-proxy. Root, Debian's containerd, runc and CNI plugins, cgroup v1.
//!
//! One at a time on a machine. Dropped, it removes every trace; a cluster that crashed is removed by the next start, or by
//! `make cluster-down`.

mod dns;
mod host;
pub mod image;
mod node;
pub mod operator;
mod volumes;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

pub use self::node::Node;
use crate::control_plane::{Access, ControlPlane, Parts, program};

/// Everything that a cluster keeps, in one place, so that what a crash left is found.
pub const FOLDER: &str = "/var/lib/storage-element-e2e";

/// The most nodes that clearing up looks for.
const NODES_AT_MOST: u8 = 4;

/// How long all nodes and names may take to be ready.
const READY_PATIENCE: Duration = Duration::from_mins(5);

/// A running cluster.
pub struct Cluster {
    nodes: Vec<Node>,
    plane: Option<ControlPlane>,
    settings: host::Settings,
    _lock: File,
}

impl Cluster {
    /// Starts one with `nodes` nodes (1 to 4) and the images of `programs` (a name and a program each) on every node.
    ///
    /// # Errors
    /// When this is not root on a machine with the programs named above, or another cluster runs.
    pub fn start(nodes: u8, programs: &[(&str, &Path)]) -> Result<Self> {
        ensure!((1..=NODES_AT_MOST).contains(&nodes), "a cluster has 1 to {NODES_AT_MOST} nodes");
        check_machine()?;
        let folder = Path::new(FOLDER);
        std::fs::create_dir_all(folder)?;
        let lock = lock(folder)?;
        remove_traces();
        std::fs::create_dir_all(folder.join("run"))?;
        host::record_pod_namespaces(&folder.join("namespaces"))?;
        let settings = host::Settings::record(&folder.join("settings"))?;
        let mut cluster = Self { nodes: Vec::new(), plane: None, settings, _lock: lock };
        cluster.bring_up(nodes, programs)?;
        Ok(cluster)
    }

    fn bring_up(&mut self, nodes: u8, programs: &[(&str, &Path)]) -> Result<()> {
        let folder = run_folder();
        let images = folder.join("images");
        std::fs::create_dir_all(&images)?;
        let mut archives = vec![image::pause(&images)?, dns::image(&images)?];
        for (name, program) in programs {
            archives.push(image::Image::new(&images, name)?.program(program)?.write()?);
        }
        host::make_bridge()?;
        let plane = Parts::default().controllers().pods_reach(host::HOST_ADDRESS).start()?;
        let server = format!("https://{}", plane.address()?);
        self.plane = Some(plane);
        self.apply(&volumes::objects(&folder.join("volumes"))?)?;
        self.apply(&dns::objects())?;
        let authority = self.plane()?.authority()?;
        let ground = node::Ground { folder: &folder, authority, server: &server, images: &archives, nodes };
        let started = (1..=nodes).map(|number| Node::start(number, &ground)).collect::<Result<Vec<_>>>()?;
        self.nodes = started;
        self.wait_for("every node and DNS", |cluster| {
            let ready = cluster.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=1s"])?;
            let up = cluster.kubectl(&["get", "nodes", "-o", "name"])?;
            let names =
                cluster.kubectl(&["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=1s"])?;
            let count = String::from_utf8_lossy(&up.stdout).lines().count();
            Ok(ready.status.success() && count == usize::from(nodes) && names.status.success())
        })
    }

    /// The way in of someone who may do everything.
    ///
    /// # Errors
    /// Never once it has started.
    pub fn admin(&self) -> Result<&Access> {
        Ok(self.plane()?.admin())
    }

    /// Its control plane.
    ///
    /// # Errors
    /// Never once it has started.
    pub fn plane(&self) -> Result<&ControlPlane> {
        self.plane.as_ref().context("the cluster has not started")
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Runs `kubectl`.
    ///
    /// # Errors
    /// When it cannot be run; that it failed is in its status.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.kubectl_command()?.args(arguments).output()?)
    }

    /// Runs `kubectl`, which has to succeed, and gives what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn kubectl_ok(&self, arguments: &[&str]) -> Result<String> {
        let output = self.kubectl(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "kubectl {} failed: {}", arguments.join(" "), said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// `kubectl` with the administrator's kubeconfig, to be given arguments.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn kubectl_command(&self) -> Result<Command> {
        let mut command = Command::new(program("kubectl")?);
        command.arg("--kubeconfig").arg(self.admin()?.kubeconfig()).stdin(Stdio::null());
        Ok(command)
    }

    /// Applies objects on the server's side.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn apply(&self, objects: &serde_json::Value) -> Result<()> {
        let file = run_folder().join(format!("apply-{}.json", uuid::Uuid::new_v4().simple()));
        std::fs::write(&file, serde_json::to_vec(objects)?)?;
        self.kubectl_ok(&["apply", "--server-side", "-f", &file.to_string_lossy()]).map(drop)
    }

    /// Waits until `holds`, for five minutes at most.
    ///
    /// # Errors
    /// When it never does; with the pods as they are then.
    pub fn wait_for(&self, what: &str, mut holds: impl FnMut(&Self) -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !holds(self)? {
            if begun.elapsed() > READY_PATIENCE {
                let pods = self.kubectl_ok(&["get", "pods", "-A", "-o", "wide"]).unwrap_or_default();
                let events = self.kubectl_ok(&["get", "events", "-A"]).unwrap_or_default();
                bail!("waited {READY_PATIENCE:?} for {what}:\n{pods}\n{events}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        self.plane = None;
        remove_traces();
        self.settings.restore();
        for note in ["settings", "namespaces"] {
            let _ = std::fs::remove_file(Path::new(FOLDER).join(note));
        }
    }
}

/// Removes what a cluster that crashed has left.
///
/// # Errors
/// When a cluster runs.
pub fn clear() -> Result<()> {
    let folder = Path::new(FOLDER);
    if folder.exists() {
        let _lock = lock(folder)?;
        remove_traces();
        host::Settings::record(&folder.join("settings"))?.restore();
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn remove_traces() {
    let folder = run_folder();
    for number in 1..=NODES_AT_MOST {
        node::remove(number, &folder);
    }
    let namespaces: Vec<String> = (1..=NODES_AT_MOST).map(node::namespace).collect();
    host::remove_pod_namespaces(&Path::new(FOLDER).join("namespaces"));
    host::remove_network(&namespaces);
    host::unmount_below(&folder);
    let _ = std::fs::remove_dir_all(&folder);
}

fn run_folder() -> PathBuf {
    Path::new(FOLDER).join("run")
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("a cluster runs on this machine already: `make cluster-down` ends it"),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Says clearly what is missing.
fn check_machine() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "a cluster with pods needs root: network namespaces, mounts, cgroups"
    );
    let missing: Vec<&str> = ["ip", "nft", "containerd", "ctr", "runc", "nsenter", "tar", "cc"]
        .into_iter()
        .filter(|program| {
            let found =
                Command::new("sh").args(["-c", &format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}")]).output();
            !found.is_ok_and(|output| output.status.success())
        })
        .collect();
    ensure!(
        missing.is_empty(),
        "missing: {}. On Debian: apt-get install iproute2 nftables containerd runc util-linux gcc libc6-dev",
        missing.join(", ")
    );
    ensure!(
        Path::new("/usr/lib/cni/bridge").exists(),
        "the CNI plugins are missing. On Debian: apt-get install containernetworking-plugins"
    );
    ensure!(
        !host::controllers().is_empty(),
        "this machine has no cgroup v1 hierarchies: use a cluster of your own and name it in E2E_KUBECONFIG"
    );
    Ok(())
}
