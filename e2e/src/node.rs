//! A storage node: a real process that can be killed, stopped, frozen and started again on the same data.
//!
//! Its methods block; they are called from a test's own thread, never from a runtime's workers.

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::database::Database;
use crate::storage::Storage;
use crate::{Client, Tokens, Wire};

/// How long a node may take to become ready, settling included.
const READY_PATIENCE: Duration = Duration::from_mins(1);

/// How long a node may take to end after SIGTERM with nothing left to do.
const STOP_PATIENCE: Duration = Duration::from_secs(45);

/// How many lines of the log a failing test shows.
const LOG_LINES_SHOWN: usize = 60;

/// What became of a start.
#[derive(Debug)]
pub enum Started {
    /// It serves.
    Ready,
    /// It ended before it was ready.
    Exited(ExitStatus),
}

/// Where all is that belongs to a node.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) storage: Storage,
    pub(crate) database: Database,
}

/// A node with its folder. On drop the process is killed, and what is its own is removed.
pub struct Node {
    binary: PathBuf,
    place: Place,
    config: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    ended: Option<ExitStatus>,
    quiet: bool,
}

impl Node {
    pub(crate) fn new(binary: PathBuf, place: Place, config: PathBuf, port: u16) -> Self {
        Self { binary, place, config, port, environment: Vec::new(), child: None, ended: None, quiet: false }
    }

    /// Do not print the end of the log on drop: for a program that is no test.
    pub fn keep_log_to_itself(&mut self) {
        self.quiet = true;
    }

    /// Sets an environment variable for all later starts.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.unset_env(name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Takes an environment variable back.
    pub fn unset_env(&mut self, name: &str) {
        self.environment.retain(|(key, _)| key != name);
    }

    /// Starts the process and waits until it is ready.
    ///
    /// # Errors
    /// When it ends first, or takes more than a minute.
    pub fn start(&mut self) -> Result<()> {
        match self.try_start()? {
            Started::Ready => Ok(()),
            Started::Exited(status) => bail!("the node ended at its start with {status}:\n{}", self.log_tail()),
        }
    }

    /// Starts the process and waits until it is ready or has ended.
    ///
    /// # Errors
    /// When it is neither after a minute.
    pub fn try_start(&mut self) -> Result<Started> {
        self.spawn()?;
        let begun = Instant::now();
        while begun.elapsed() < READY_PATIENCE {
            if let Some(status) = self.wait(Duration::ZERO)? {
                return Ok(Started::Exited(status));
            }
            if self.is_ready() {
                return Ok(Started::Ready);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the node is not ready after {READY_PATIENCE:?}:\n{}", self.log_tail())
    }

    /// Starts the process and does not wait.
    ///
    /// # Errors
    /// When it runs already or cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the node runs already");
        let log = self.open_log()?;
        let mut command = self.command("serve");
        command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
        self.ended = None;
        self.child = Some(command.spawn().with_context(|| format!("{} could not be run", self.binary.display()))?);
        Ok(())
    }

    /// A command of the node's program with its configuration and environment, to be run by the caller.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.binary);
        // Only what the test chose: no setting of the person who runs it.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("RUST_BACKTRACE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg(subcommand).arg("--config").arg(&self.config);
        command
    }

    /// Whether `/health/ready` says so.
    pub fn is_ready(&self) -> bool {
        let asked = Wire::connect(("127.0.0.1", self.port)).and_then(|mut wire| {
            wire.send(b"GET /health/ready HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
            wire.head()
        });
        matches!(asked, Ok(Some(head)) if head.status == 200)
    }

    /// Whether the process runs.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.is_some() && self.wait(Duration::ZERO)?.is_none())
    }

    /// Waits for the process to end, or tells how it ended; `None` when it still runs after `patience`.
    ///
    /// # Errors
    /// When it was never started.
    pub fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let Some(child) = self.child.as_mut() else {
            return Ok(Some(self.ended.context("the node was never started")?));
        };
        let begun = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                self.child = None;
                self.ended = Some(status);
                return Ok(Some(status));
            }
            if begun.elapsed() >= patience {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the process has been stopped (SIGSTOP), by itself or by somebody.
    pub fn is_stopped(&self) -> bool {
        let Ok(pid) = self.pid() else { return false };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    }

    /// Sends a signal: `STOP` freezes the process, `CONT` lets it go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal).context("the node could not be signalled")
    }

    /// Kills the process with SIGKILL and waits for its end.
    ///
    /// # Errors
    /// When it had ended before by itself.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        let status = self.wait(STOP_PATIENCE)?.context("the node survives SIGKILL")?;
        ensure!(
            status.signal() == Some(9),
            "the node had ended before it was killed, with {status}:\n{}",
            self.log_tail()
        );
        Ok(())
    }

    /// Ends the process with SIGTERM and expects exit status 0.
    ///
    /// # Errors
    /// When it does not end in time, or not with 0.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let ended = self.wait(STOP_PATIENCE)?;
        let status = ended.with_context(|| format!("the node goes on {STOP_PATIENCE:?} after SIGTERM"))?;
        ensure!(status.success(), "after SIGTERM the node ended with {status}:\n{}", self.log_tail());
        Ok(())
    }

    /// A client with a token of `role` (`user`, `operator`, `admin`), signed by [`Tokens::shared`].
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn client(&self, role: &str) -> Result<Client> {
        Client::new(&self.url(), Some(Tokens::shared().role(role)))
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// The folder with all that belongs to the node.
    pub fn folder(&self) -> &Path {
        self.place.folder.path()
    }

    /// Where its files are.
    pub fn storage(&self) -> &Storage {
        &self.place.storage
    }

    /// Where its catalog is.
    pub fn database(&self) -> &Database {
        &self.place.database
    }

    /// The folder of the files, of a node that has one.
    ///
    /// # Panics
    /// When they are in a bucket.
    #[allow(clippy::panic, reason = "a test that asks for the folder of a bucket is wrong")]
    pub fn volume(&self) -> &Path {
        match &self.place.storage {
            Storage::Folder(volume) => volume,
            Storage::Bucket(bucket) => panic!("the files are in the bucket {}, in no folder", bucket.name()),
        }
    }

    /// The folder of the catalog, of a node with SQLite.
    pub fn catalog(&self) -> PathBuf {
        self.folder().join("catalog")
    }

    /// The JWKS it trusts.
    pub fn jwks(&self) -> PathBuf {
        self.place.folder.path().join("jwks.json")
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// All that it wrote to its standard outputs, over all its starts.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// A value of `/proc/PID/status` in KiB, such as `VmRSS` or `VmHWM`.
    ///
    /// # Errors
    /// When the node does not run.
    pub fn memory_kib(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid()?.as_raw_nonzero());
        let status = std::fs::read_to_string(&path)?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let number =
            line.and_then(|line| line.split_whitespace().next()).with_context(|| format!("{path} has no {field}"))?;
        Ok(number.parse()?)
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_child(self.child.as_ref().context("the node does not run")?))
    }

    fn log_path(&self) -> PathBuf {
        self.place.folder.path().join("node.log")
    }

    fn open_log(&self) -> Result<File> {
        Ok(OpenOptions::new().create(true).append(true).open(self.log_path())?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The test runner shows what is printed only when the test fails, and then it is what one needs.
        if !self.quiet {
            println!("--- end of the log of {}\n{}\n---", self.place.folder.path().display(), self.log_tail());
        }
        if std::env::var_os("E2E_KEEP").is_some() {
            self.place.folder.disable_cleanup(true);
        }
    }
}
