//! The operator as a real process.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use crate::binaries;
use crate::control_plane::Access;
use crate::daemon::Daemon;
use crate::setup::free_port;

/// How long the operator may take until it acts, on a machine that is busy.
const READY_PATIENCE: Duration = Duration::from_mins(2);

/// How an operator is started.
#[derive(Clone, Debug)]
pub struct OperatorSetup {
    access: Access,
    namespaces: Vec<String>,
    variables: Vec<(String, String)>,
}

impl OperatorSetup {
    /// One that asks the API server with `access` and watches `namespaces` (none: all).
    pub fn new(access: &Access, namespaces: &[&str]) -> Self {
        let namespaces = namespaces.iter().map(|&namespace| namespace.to_owned()).collect();
        Self { access: access.clone(), namespaces, variables: Vec::new() }
    }

    /// With one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it was not built or ends at once.
    pub fn start(&self) -> Result<Operator> {
        let folder = tempfile::Builder::new().prefix("storage-element-e2e-operator-").tempdir()?;
        let port = free_port()?;
        let mut command = Command::new(binaries::find("storage-operator")?);
        command.arg("run").env("KUBECONFIG", self.access.kubeconfig());
        command.env("WATCH_NAMESPACES", self.namespaces.join(",")).env("LISTEN", format!("127.0.0.1:{port}"));
        command.env("LEADER_ELECTION", "false").env("LOG_LEVEL", "info");
        command.env("NODE_IMAGE", "registry.example.org/storage-node:1");
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        let log = folder.path().join("operator.log");
        let daemon = Daemon::start(&command, &log)?;
        Ok(Operator { daemon, port, log, _folder: folder })
    }

    /// Starts it and waits until its picture of the cluster is complete.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start_ready(&self) -> Result<Operator> {
        let operator = self.start()?;
        operator.daemon.wait_until(READY_PATIENCE, || operator.is_ready())?;
        Ok(operator)
    }
}

/// A running operator. On drop it is killed.
pub struct Operator {
    daemon: Daemon,
    port: u16,
    log: PathBuf,
    _folder: TempDir,
}

impl Operator {
    /// Its process.
    pub fn process(&self) -> &Daemon {
        &self.daemon
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// A page of its own port.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn page(&self, path: &str) -> Result<(u16, String)> {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut request = String::new();
        write!(request, "GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n")?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        Ok((status, body))
    }

    /// What it takes of memory, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.daemon.pid().as_raw_nonzero());
        let pages = std::fs::read_to_string(path).unwrap_or_default();
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    }

    /// What it has taken of processors, in seconds.
    pub fn processor_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.daemon.pid().as_raw_nonzero()));
        let stat = stat.unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
        // utime and stime, in hundredths.
        (ticks(11) + ticks(12)) / 100.0
    }

    fn is_ready(&self) -> bool {
        self.page("/health/ready").is_ok_and(|(status, _)| status == 200)
    }
}
