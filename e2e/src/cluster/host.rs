//! What a cluster changes on its host, and how each of it is undone: a bridge, network namespaces, cgroups, mounts,
//! settings of the kernel. Undoing works whatever of it is there, so that it also clears up after a crash.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// The bridge between the host and the nodes.
pub const BRIDGE: &str = "se-e2e";
/// The host's address on it: the API server's.
pub const HOST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);

/// Settings that a kubelet changes for the whole machine.
const SETTINGS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Kernel settings as they were found.
pub struct Settings(Vec<(PathBuf, String)>);

impl Settings {
    /// Reads and notes them in `file`, unless a cluster that crashed has left its note there.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn record(file: &Path) -> Result<Self> {
        if let Ok(note) = std::fs::read_to_string(file) {
            let lines = note.lines().filter_map(|line| line.split_once(' '));
            return Ok(Self(lines.map(|(path, value)| (PathBuf::from(path), value.to_owned())).collect()));
        }
        let read = |name: &&str| {
            let path = Path::new("/proc/sys").join(name);
            let value = std::fs::read_to_string(&path).ok()?;
            Some((path, value.trim().to_owned()))
        };
        let found = Self(SETTINGS.iter().filter_map(read).collect());
        let note: Vec<String> = found.0.iter().map(|(path, value)| format!("{} {value}", path.display())).collect();
        std::fs::write(file, note.join("\n"))?;
        Ok(found)
    }

    /// Sets them back.
    pub fn restore(&self) {
        for (path, value) in &self.0 {
            if std::fs::read_to_string(path).is_ok_and(|now| now.trim() != value) {
                let _ = std::fs::write(path, value);
            }
        }
    }
}

/// Runs a command that has to succeed.
///
/// # Errors
/// When it does not, with what it printed.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(arguments).output().with_context(|| format!("{program} could not be run"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program} {} failed: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes the bridge.
///
/// # Errors
/// When `ip` refuses.
pub fn make_bridge() -> Result<()> {
    run("ip", &["link", "add", BRIDGE, "type", "bridge"])?;
    run("ip", &["address", "add", &format!("{HOST_ADDRESS}/24"), "dev", BRIDGE])?;
    run("ip", &["link", "set", BRIDGE, "up"])?;
    Ok(())
}

/// The controllers of cgroup v1 on this machine.
pub fn controllers() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.join("cgroup.procs").exists() && !path.ends_with("unified")).collect()
}

/// Makes a cgroup under each controller, for a kubelet to have as its root.
///
/// # Errors
/// When this machine has no cgroup v1 hierarchies, or they cannot be written.
pub fn make_cgroup(name: &str) -> Result<()> {
    let controllers = controllers();
    ensure!(!controllers.is_empty(), "this needs the hierarchies of cgroup v1 below /sys/fs/cgroup");
    for controller in controllers {
        let folder = controller.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        if controller.ends_with("cpuset") {
            for file in ["cpuset.cpus", "cpuset.mems"] {
                std::fs::write(folder.join(file), std::fs::read(controller.join(file))?)?;
            }
        }
    }
    Ok(())
}

/// Kills what runs in a cgroup, frozen or not, and removes it with all below.
pub fn remove_cgroup(name: &str) {
    let _ = std::fs::write(format!("/sys/fs/cgroup/freezer/{name}/freezer.state"), "THAWED");
    for controller in controllers() {
        let root = controller.join(name);
        let begun = Instant::now();
        while root.exists() && begun.elapsed() < Duration::from_secs(20) {
            remove_tree(&root);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn remove_tree(folder: &Path) {
    let below = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    below.filter(|path| path.is_dir()).for_each(|path| remove_tree(&path));
    kill_all(std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default().lines());
    let _ = std::fs::remove_dir(folder);
}

/// Kills every process whose command line names `part`: what a runtime left behind.
pub fn kill_named(part: &Path) {
    let part = part.to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let found: Vec<String> = numbers
        .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()) && *number != own)
        .filter(|number| {
            let line = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&part)
        })
        .collect();
    kill_all(found.iter().map(String::as_str));
}

fn kill_all<'a>(processes: impl Iterator<Item = &'a str>) {
    for process in processes {
        let number = process.trim().parse().ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = number {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Unmounts everything at and below `folder`, the deepest first.
pub fn unmount_below(folder: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut points: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .filter(|point| point.starts_with(folder))
        .collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    for point in points {
        let _ = run("umount", &["--lazy", &point.to_string_lossy()]);
    }
}

/// The network namespaces of pods, which the CNI names so.
pub fn pod_namespaces() -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("cni-")).collect()
}

/// Notes in `file` which pods' namespaces are not ours, unless a cluster that crashed has left its note there.
///
/// # Errors
/// When the note cannot be written.
pub fn record_pod_namespaces(file: &Path) -> Result<()> {
    if !file.exists() {
        std::fs::write(file, pod_namespaces().join("\n"))?;
    }
    Ok(())
}

/// Removes the namespaces of pods that came after the note in `file`.
pub fn remove_pod_namespaces(file: &Path) {
    let Ok(note) = std::fs::read_to_string(file) else { return };
    for namespace in pod_namespaces() {
        if !note.lines().any(|other| other == namespace) {
            let _ = run("ip", &["netns", "delete", &namespace]);
        }
    }
}

/// Removes network namespaces and links of ours.
pub fn remove_network(namespaces: &[String]) {
    for namespace in namespaces {
        let _ = run("ip", &["netns", "delete", namespace]);
    }
    let _ = run("ip", &["link", "delete", BRIDGE]);
}
