//! `cluster up [--nodes N]` brings up a real Kubernetes with pods on this machine and prints how to use it; `cluster down`
//! removes every trace. `make cluster`, `make cluster-down`.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use storage_element_e2e::{Cluster, binaries, cluster};

/// The programs whose images every node has.
const PROGRAMS: [&str; 2] = ["storage-node", "storage-operator"];

/// How long a cluster may take to be up, the building of its programs included.
const UP_PATIENCE: Duration = Duration::from_mins(30);
/// How long it may take to be gone.
const DOWN_PATIENCE: Duration = Duration::from_mins(2);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["up"] => up(2),
        ["up", "--nodes", count] => count.parse().context("--nodes takes a number from 1 to 4").and_then(up),
        ["hold", count] => count.parse().context("no number").and_then(hold),
        ["down"] => down(),
        _ => Err(anyhow::anyhow!("usage: cluster up [--nodes 1..4] | cluster down")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a process of its own that holds the cluster, and waits until that is ready.
fn up(nodes: u8) -> Result<()> {
    let folder = Path::new(cluster::FOLDER);
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made: this needs root", folder.display()))?;
    ensure!(holder().is_none(), "a cluster runs already: `make cluster-down` ends it");
    let (ready, log) = (ready_file(), folder.join("cluster.log"));
    let _ = std::fs::remove_file(&ready);
    let output = std::fs::File::create(&log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["hold", &nodes.to_string()]).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    // It stays when the terminal goes.
    command.process_group(0);
    let mut child = command.spawn()?;
    std::fs::write(holder_file(), child.id().to_string())?;
    let begun = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            println!("{text}");
            return Ok(());
        }
        if child.try_wait()?.is_some() || begun.elapsed() > UP_PATIENCE {
            bail!("no cluster:\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Holds a cluster until SIGTERM.
fn hold(nodes: u8) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _entered = runtime.enter();
    // Listened for from here on: a cluster half up is taken down too.
    let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let found: Vec<(&str, PathBuf)> =
        PROGRAMS.iter().map(|name| Ok((*name, binaries::find(name)?))).collect::<Result<_>>()?;
    let programs: Vec<(&str, &Path)> = found.iter().map(|(name, path)| (*name, path.as_path())).collect();
    let cluster = Cluster::start(nodes, &programs)?;
    cluster.install_operator()?;
    let text = format!(
        "A Kubernetes with {nodes} node{} is up, and the operator in it. Use it with\n\n  export KUBECONFIG={}\n  export PATH={}:$PATH\n\n\
  kubectl apply -f charts/samples/embedded.yaml\n  kubectl wait --for=condition=Ready se/notes --timeout=2m\n\n\
         Images: {}. Storage classes: standard (one node at a time), shared.\n`make cluster-down` removes every trace.",
        if nodes == 1 { "" } else { "s" },
        cluster.admin()?.kubeconfig().display(),
        storage_element_e2e::control_plane::program("kubectl")?.parent().unwrap_or(Path::new("/")).display(),
        PROGRAMS.map(cluster::image::reference).join(", "),
    );
    let part = ready_file().with_extension("part");
    std::fs::write(&part, text)?;
    std::fs::rename(part, ready_file())?;
    runtime.block_on(ended.recv());
    drop(cluster);
    Ok(())
}

/// Ends the process that holds the cluster, and removes what a crashed one left.
fn down() -> Result<()> {
    if let Some(pid) = holder() {
        kill_process(pid, Signal::TERM)?;
        let begun = Instant::now();
        while test_kill_process(pid).is_ok() {
            ensure!(begun.elapsed() < DOWN_PATIENCE, "process {pid:?} still holds the cluster");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let _ = std::fs::remove_file(ready_file());
    cluster::clear()
}

/// The process that holds a cluster, if one does.
fn holder() -> Option<Pid> {
    let pid = std::fs::read_to_string(holder_file()).ok()?.trim().parse().ok().and_then(Pid::from_raw)?;
    let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).ok()?;
    // The number may be another process's by now.
    String::from_utf8_lossy(&line).contains("\0hold\0").then_some(pid)
}

fn holder_file() -> PathBuf {
    Path::new(cluster::FOLDER).join("holder")
}

fn ready_file() -> PathBuf {
    Path::new(cluster::FOLDER).join("ready")
}
