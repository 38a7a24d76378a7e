//! A program that runs for as long as a value lives, and never longer than this process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A shell stands between: its standard input ends with this process, however that ends, and then the program is killed.
/// The program is not in a process group of its own, so that Ctrl-C reaches it too.
const GUARD: &str = r#"log=$1; shift
"$@" >>"$log" 2>&1 </dev/null & pid=$!
echo $pid
cat >/dev/null
kill -CONT $pid 2>/dev/null; kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null"#;

/// How many lines of the log an error shows.
const LOG_LINES_SHOWN: usize = 30;

/// A running program whose outputs go to a file. On drop it is killed.
pub struct Daemon {
    name: String,
    log: PathBuf,
    pid: Pid,
    guard: Mutex<(Child, Option<ChildStdin>)>,
}

impl Daemon {
    /// Starts `command`, with its outputs appended to `log`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn start(command: &Command, log: &Path) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut guarded = Command::new("sh");
        guarded.args(["-c", GUARD, "guard"]).arg(log).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(key, value),
                None => guarded.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        let mut guard = guarded
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} could not be run"))?;
        let mut line = String::new();
        let told = guard.stdout.take().context("the guard's output is piped")?;
        BufReader::new(told).read_line(&mut line)?;
        let pid = Pid::from_raw(line.trim().parse()?).context("a process has a number")?;
        let input = guard.stdin.take();
        Ok(Self { name, log: log.to_owned(), pid, guard: Mutex::new((guard, input)) })
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the program ended, or `patience` passed; with the end of its log.
    pub fn wait_until(&self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let begun = Instant::now();
        while !ready() {
            ensure!(self.is_running(), "{} ended at its start:\n{}", self.name, self.log_tail());
            ensure!(begun.elapsed() < patience, "{} is not ready after {patience:?}:\n{}", self.name, self.log_tail());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether the program runs (or is frozen).
    pub fn is_running(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).unwrap_or_default();
        state.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    }

    /// Sends a signal: `STOP` freezes it, `CONT` lets it go on, `KILL` ends it.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid, signal).with_context(|| format!("{} could not be signalled", self.name))
    }

    /// Its process number.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let log = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(guard) = self.guard.get_mut() {
            drop(guard.1.take());
            let _ = guard.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::Daemon;

    #[test]
    fn a_dropped_daemon_is_gone_even_when_it_was_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("1000");
        let daemon = Daemon::start(&command, &folder.path().join("log")).unwrap();
        assert!(daemon.is_running());
        daemon.signal(rustix::process::Signal::STOP).unwrap();
        let pid = daemon.pid();
        drop(daemon);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn one_that_ends_at_its_start_is_told_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such thing; exit 1"]);
        let daemon = Daemon::start(&command, &folder.path().join("log")).unwrap();
        let error = daemon.wait_until(Duration::from_secs(10), || false).unwrap_err().to_string();
        assert!(error.contains("no such thing"), "{error}");
    }
}
