//! A real PostgreSQL on a private socket, gone with the process that started it.

#![allow(clippy::panic, clippy::expect_used, reason = "a test without its server has failed, and says why")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The variable that names a server to use in place of one started here.
pub const URL_VARIABLE: &str = "E2E_DATABASE_URL";

/// Runs in a shell of its own, so that the server goes however this process ends: its standard input ends with it. A
/// server that was killed is started again as soon as it is allowed to.
const SUPERVISOR: &str = r#"
trap : HUP INT TERM
bin=$1 dir=$2
cd "$dir"
"$bin/initdb" -D data -U se -A trust -E UTF8 --locale=C.UTF-8 --no-sync >initdb.log 2>&1 || exit 1
serve() {
  while [ ! -e stop ]; do
    [ -e hold ] || "$bin/postgres" -D data -k "$dir" -c listen_addresses= -c max_connections=300 \
      -c shared_buffers=64MB -c max_wal_size=4GB >>server.log 2>&1
    sleep 0.05
  done
}
serve &
while read -r command; do
  case $command in
    kill) touch hold; kill -9 "$(head -n 1 data/postmaster.pid)" ;;
    recover) rm -f hold ;;
  esac
done
touch stop
kill -INT "$(head -n 1 data/postmaster.pid)"
wait
cd /
rm -rf "$dir"
"#;

/// How long a server may take to be made and to answer.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// A PostgreSQL server for tests.
pub struct Postgres {
    url: String,
    own: Option<Own>,
}

struct Own {
    programs: PathBuf,
    folder: PathBuf,
    commands: Mutex<Option<ChildStdin>>,
    supervisor: Mutex<Child>,
}

impl Postgres {
    /// The server that all tests of this process share: the one that `E2E_DATABASE_URL` names, else one started here.
    ///
    /// # Panics
    /// When there is none, with a sentence that says how to get it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var(URL_VARIABLE) {
            Ok(url) if !url.is_empty() => Self { url, own: None },
            _ => Self::start(),
        })
    }

    /// A server of one's own, to be killed.
    ///
    /// # Panics
    /// When the programs are missing, with a sentence that says how to get them, or do not start.
    pub fn start() -> Self {
        let programs = programs().unwrap_or_else(|| {
            panic!(
                "PostgreSQL's server programs are missing: install them (Debian: apt-get install postgresql), or name a \
                 server in {URL_VARIABLE}"
            )
        });
        let folder = std::env::temp_dir().join(format!("se-postgres-{}-{}", std::process::id(), fresh()));
        std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
        let mut command = unprivileged(&folder);
        let mut supervisor = command
            .args(["sh", "-c", SUPERVISOR, "supervisor"])
            .args([&programs, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start PostgreSQL: {error}"));
        let commands = Mutex::new(supervisor.stdin.take());
        let url = format!("postgres://se@localhost/postgres?host={}&port=5432", folder.display());
        let own = Own { programs, folder, commands, supervisor: Mutex::new(supervisor) };
        own.ready();
        Self { url, own: Some(own) }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of a server that was started here: its sockets are there.
    pub fn folder(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.folder.as_path())
    }

    /// Kills the server as a power cut would end it. It stays away until [`recover`](Self::recover).
    ///
    /// # Panics
    /// When it is not a server of one's own.
    pub fn kill(&self) {
        let own = self.own.as_ref().expect("only a server of one's own is killed");
        own.tell("kill");
        let began = Instant::now();
        while own.answers() {
            assert!(began.elapsed() < READY_LIMIT, "PostgreSQL does not die");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets a killed server start again, and waits until it has recovered.
    ///
    /// # Panics
    /// When it does not come back.
    pub fn recover(&self) {
        let own = self.own.as_ref().expect("only a server of one's own is killed");
        own.tell("recover");
        own.ready();
    }
}

impl Own {
    fn tell(&self, command: &str) {
        let mut commands = self.commands.lock().expect("nobody fails while holding it");
        let told = commands.as_mut().map(|commands| writeln!(commands, "{command}"));
        assert!(matches!(told, Some(Ok(()))), "PostgreSQL's supervisor is gone");
    }

    fn answers(&self) -> bool {
        let asked = Command::new(self.programs.join("pg_isready"))
            .args(["-q", "-U", "se", "-d", "postgres", "-p", "5432", "-h"])
            .arg(&self.folder)
            .status();
        asked.is_ok_and(|status| status.success())
    }

    fn ready(&self) {
        let began = Instant::now();
        while !self.answers() {
            let ended = self.supervisor.lock().expect("nobody fails while holding it").try_wait();
            let log = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            assert!(
                matches!(ended, Ok(None)) && began.elapsed() < READY_LIMIT,
                "PostgreSQL does not start: {}{}",
                log("initdb.log"),
                log("server.log")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.commands.lock().map(|mut commands| commands.take()));
        if let Ok(mut supervisor) = self.supervisor.lock() {
            let _ = supervisor.wait();
        }
    }
}

/// The newest version installed where Debian puts it, else what the path finds.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin"));
    let numbered = |path: &PathBuf| {
        let version = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        version.and_then(|name| name.parse::<u32>().ok())
    };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let has_server = |path: &PathBuf| path.join("postgres").exists() && path.join("initdb").exists();
    installed.filter(has_server).max_by_key(numbered).or_else(|| on_path.into_iter().find(has_server))
}

/// A program for people who use a server, such as `psql`: of the newest version that is installed, else what the path
/// finds.
pub fn client_program(name: &str) -> Command {
    let beside = programs().map(|folder| folder.join(name)).filter(|path| path.exists());
    Command::new(beside.unwrap_or_else(|| PathBuf::from(name)))
}

/// A command that runs as somebody who is not root, whom PostgreSQL refuses, in a folder of theirs.
///
/// # Panics
/// When the folder cannot be given to them.
pub fn unprivileged(folder: &Path) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !root {
        return Command::new("env");
    }
    let there = |user: &&str| Command::new("id").arg(user).output().is_ok_and(|output| output.status.success());
    let user = ["postgres", "nobody"].into_iter().find(there).unwrap_or("nobody");
    let given = Command::new("chown").arg(user).arg(folder).status();
    assert!(given.is_ok_and(|status| status.success()), "cannot give {} to {user}", folder.display());
    let group = Command::new("id").args(["-g", user]).output().map(|output| output.stdout).unwrap_or_default();
    let group = String::from_utf8_lossy(group.trim_ascii()).into_owned();
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).args(["--clear-groups", "--"]);
    command
}

/// Tells several servers of one process apart.
fn fresh() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
