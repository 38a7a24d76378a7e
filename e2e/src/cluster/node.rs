//! One node of the cluster: a network namespace with containerd, a kubelet and a kube-proxy of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::host::{self, BRIDGE, HOST_ADDRESS, run};
use super::image;
use crate::Daemon;
use crate::control_plane::{Access, Authority, program};

/// How long a part may take to be ready.
const READY_PATIENCE: Duration = Duration::from_mins(2);

/// A running node.
pub struct Node {
    number: u8,
    folder: PathBuf,
    daemons: Vec<Daemon>,
}

/// What a node needs of the cluster.
pub(super) struct Ground<'a> {
    /// The cluster's folder.
    pub folder: &'a Path,
    /// Who signs.
    pub authority: &'a Authority,
    /// `https://…` of the API server.
    pub server: &'a str,
    /// Archives of the images that every node has.
    pub images: &'a [PathBuf],
    /// How many nodes there are.
    pub nodes: u8,
}

impl Node {
    /// Its name: `node-1`, `node-2`.
    pub fn name(&self) -> String {
        name(self.number)
    }

    /// Makes its network and starts its daemons; images are imported before the kubelet starts.
    pub(super) fn start(number: u8, ground: &Ground) -> Result<Self> {
        let folder = ground.folder.join(name(number));
        std::fs::create_dir_all(&folder)?;
        make_network(number, ground.nodes)?;
        host::make_cgroup(&cgroup(number))?;
        let mut node = Self { number, folder, daemons: Vec::new() };
        node.start_containerd(ground)?;
        node.start_kubelet(ground)?;
        node.start_proxy(ground)?;
        Ok(node)
    }

    /// Stops the whole node, its pods included, where it stands.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn freeze(&self) -> Result<()> {
        self.set_freezer("FROZEN")
    }

    /// Lets a frozen node go on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn thaw(&self) -> Result<()> {
        self.set_freezer("THAWED")
    }

    /// Cuts it from everything else; its pods go on among themselves.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn cut(&self) -> Result<()> {
        run("ip", &["link", "set", &outer(self.number), "down"]).map(drop)
    }

    /// Puts the cut wire back.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn mend(&self) -> Result<()> {
        run("ip", &["link", "set", &outer(self.number), "up"]).map(drop)
    }

    fn set_freezer(&self, state: &str) -> Result<()> {
        Ok(std::fs::write(format!("/sys/fs/cgroup/freezer/{}/freezer.state", cgroup(self.number)), state)?)
    }

    fn start_containerd(&mut self, ground: &Ground) -> Result<()> {
        let folder = &self.folder;
        let network = folder.join("cni");
        std::fs::create_dir_all(&network)?;
        let pods = json!({
            "cniVersion": "0.4.0", "name": "pods", "plugins": [{
                "type": "bridge", "bridge": "pods", "isDefaultGateway": true, "hairpinMode": true, "ipMasq": false,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet(self.number)}]], "dataDir": folder.join("ipam")},
            }],
        });
        std::fs::write(network.join("10-pods.conflist"), serde_json::to_vec_pretty(&pods)?)?;
        let socket = self.socket();
        let config = format!(
            "version = 2\nroot = \"{0}/containerd\"\nstate = \"{0}/containerd-state\"\n\
             disabled_plugins = [\"io.containerd.internal.v1.opt\"]\n[grpc]\naddress = \"{1}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{2}\"\nrestrict_oom_score_adj = true\n\
             [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/usr/lib/cni\"\nconf_dir = \"{0}/cni\"\n",
            folder.display(),
            socket.display(),
            image::reference("pause"),
        );
        let path = folder.join("containerd.toml");
        std::fs::write(&path, config)?;
        let mut command = self.inside("containerd".as_ref());
        command.arg("--config").arg(&path);
        let daemon = Daemon::start(&command, &folder.join("containerd.log"))?;
        daemon.wait_until(READY_PATIENCE, || self.ctr(&["version".as_ref()]).is_ok())?;
        self.daemons.push(daemon);
        for archive in ground.images {
            self.ctr(&["images".as_ref(), "import".as_ref(), archive])?;
        }
        Ok(())
    }

    fn start_kubelet(&mut self, ground: &Ground) -> Result<()> {
        let (folder, name) = (&self.folder, self.name());
        let address = address(self.number);
        let user = format!("system:node:{name}");
        let signed = ground.authority.client(&name, &user, Some("system:nodes"))?;
        let access = Access::write(
            folder.join("kubelet.kubeconfig"),
            ground.server,
            &ground.authority.certificate(),
            &signed,
        )?;
        let serving = ground.authority.server(&format!("{name}-serving"), &[&name, &address])?;
        let names = folder.join("resolv.conf");
        std::fs::write(&names, "")?;
        let config = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": false}, "webhook": {"enabled": true},
                "x509": {"clientCAFile": ground.authority.certificate()},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": serving.certificate, "tlsPrivateKeyFile": serving.key,
            "cgroupDriver": "cgroupfs", "cgroupRoot": format!("/{}", cgroup(self.number)),
            "failCgroupV1": false, "failSwapOn": false, "readOnlyPort": 0,
            "containerRuntimeEndpoint": format!("unix://{}", self.socket().display()),
            "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local", "resolvConf": names,
            "podLogsDir": folder.join("pods-logs"),
            "evictionHard": {"memory.available": "1%", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
            "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
            "nodeStatusUpdateFrequency": "2s", "nodeLeaseDurationSeconds": 8,
            "featureGates": {"KubeletCrashLoopBackOffMax": true},
            "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
            "shutdownGracePeriod": "0s",
        });
        let path = folder.join("kubelet.json");
        std::fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        let mut command = self.inside(&program("kubelet")?);
        command.arg("--config").arg(&path).arg("--kubeconfig").arg(access.kubeconfig());
        command
            .arg("--root-dir")
            .arg(folder.join("kubelet"))
            .arg("--cert-dir")
            .arg(folder.join("kubelet-certificates"));
        command.arg(format!("--hostname-override={name}")).arg(format!("--node-ip={address}"));
        self.daemons.push(Daemon::start(&command, &folder.join("kubelet.log"))?);
        Ok(())
    }

    fn start_proxy(&mut self, ground: &Ground) -> Result<()> {
        let folder = &self.folder;
        let signed = ground.authority.client("kube-proxy", "system:kube-proxy", None)?;
        let access = Access::write(
            folder.join("kube-proxy.kubeconfig"),
            ground.server,
            &ground.authority.certificate(),
            &signed,
        )?;
        let config = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "mode": "nftables", "clusterCIDR": "10.201.0.0/16", "hostnameOverride": self.name(),
            "clientConnection": {"kubeconfig": access.kubeconfig()},
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        });
        let path = folder.join("kube-proxy.json");
        std::fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        let mut command = self.inside(&program("kube-proxy")?);
        command.arg("--config").arg(&path);
        self.daemons.push(Daemon::start(&command, &folder.join("kube-proxy.log"))?);
        Ok(())
    }

    /// A command in the node's network and cgroup. `nsenter` and not `ip netns exec`, which would hide the cgroups.
    fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        let enter = "for c in freezer; do echo $$ >/sys/fs/cgroup/$c/$1/cgroup.procs || exit 1; done; ns=$2; shift 2; \
                     exec nsenter --net=/run/netns/$ns -- \"$@\"";
        command.args(["-c", enter, "inside", &cgroup(self.number), &namespace(self.number)]).arg(program);
        command
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    fn ctr(&self, arguments: &[&Path]) -> Result<()> {
        let socket = self.socket();
        let mut all: Vec<String> = vec!["--address".to_owned(), socket.display().to_string()];
        all.extend(["--namespace".to_owned(), "k8s.io".to_owned()]);
        all.extend(arguments.iter().map(|argument| argument.display().to_string()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        run("ctr", &all).map(drop)
    }
}

/// Removes what is left of node `number` in `folder`, whatever is there.
pub(super) fn remove(number: u8, folder: &Path) {
    let folder = folder.join(name(number));
    // A frozen process does not die.
    let _ = std::fs::write(format!("/sys/fs/cgroup/freezer/{}/freezer.state", cgroup(number)), "THAWED");
    host::kill_named(&folder);
    host::remove_cgroup(&cgroup(number));
    host::kill_named(&folder);
    host::unmount_below(&folder);
}

/// The network namespace of node `number`.
pub(super) fn namespace(number: u8) -> String {
    format!("se-e2e-{number}")
}

fn name(number: u8) -> String {
    format!("node-{number}")
}

fn cgroup(number: u8) -> String {
    format!("se-e2e-{number}")
}

fn outer(number: u8) -> String {
    format!("se-e2e-{number}")
}

fn address(number: u8) -> String {
    format!("10.200.0.{}", 10 + number)
}

fn subnet(number: u8) -> String {
    format!("10.201.{number}.0/24")
}

fn make_network(number: u8, nodes: u8) -> Result<()> {
    let (namespace, outer) = (namespace(number), outer(number));
    run("ip", &["netns", "add", &namespace])?;
    run("ip", &["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
    run("ip", &["link", "set", &outer, "master", BRIDGE, "up"])?;
    let inside = |arguments: &[&str]| {
        let mut all = vec!["-n", &namespace];
        all.extend(arguments);
        run("ip", &all).map(drop)
    };
    inside(&["link", "set", "lo", "up"])?;
    inside(&["address", "add", &format!("{}/24", address(number)), "dev", "eth0"])?;
    inside(&["link", "set", "eth0", "up"])?;
    inside(&["route", "add", "default", "via", &HOST_ADDRESS.to_string()])?;
    for other in (1..=nodes).filter(|other| *other != number) {
        inside(&["route", "add", &subnet(other), "via", &address(other)])?;
    }
    // The host finds pods too: the API server asks for logs, a test for files.
    run("ip", &["route", "replace", &subnet(number), "via", &address(number), "dev", BRIDGE])?;
    run("nsenter", &[&format!("--net=/run/netns/{namespace}"), "sysctl", "-qw", "net.ipv4.ip_forward=1"])?;
    Ok(())
}
