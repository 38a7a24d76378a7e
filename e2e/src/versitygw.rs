//! A real versitygw that serves a temporary folder, gone with the process that started it.

#![allow(clippy::panic, clippy::expect_used, reason = "a test without its store has failed, and says why")]

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VERSION: &str = "1.8.0";
const ACCESS_KEY: &str = "test-access";
const SECRET_KEY: &str = "test-secret-key";

/// Outside of the range from which the kernel takes ports for outgoing connections.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// How long it may take until it listens.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// Runs in a shell of its own, so that the store goes however this process ends: its standard input ends with it.
const SUPERVISOR: &str = r#"
trap : HUP INT TERM
"$1" --quiet --port "$2" posix "$3/data" >"$3/log" 2>&1 &
pid=$!
cat >/dev/null
kill -9 $pid
wait $pid 2>/dev/null
rm -rf "$3"
"#;

/// A versitygw for tests. On drop it is killed and its folder removed.
pub struct Versitygw {
    endpoint: String,
    folder: PathBuf,
    supervisor: Child,
}

impl Versitygw {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot be built, with a sentence that says what is missing, or does not start.
    pub fn start() -> Self {
        let program = program();
        let folder = tempfile::Builder::new().prefix("se-versitygw-").tempdir().expect("a temporary folder").keep();
        std::fs::create_dir(folder.join("data")).expect("a folder for buckets");
        let address = format!("127.0.0.1:{}", free_port());
        let supervisor = Command::new("sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(program)
            .arg(&address)
            .arg(&folder)
            .env("ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("ROOT_SECRET_KEY", SECRET_KEY)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start versitygw: {error}"));
        let began = Instant::now();
        while TcpStream::connect(&address).is_err() {
            let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < READY_LIMIT, "versitygw does not listen on {address}: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { endpoint: format!("http://{address}"), folder, supervisor }
    }

    /// Where it is.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Access key id and secret.
    pub fn credentials(&self) -> (&'static str, &'static str) {
        (ACCESS_KEY, SECRET_KEY)
    }

    /// The folder of buckets: each is a folder in it.
    pub fn buckets(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Versitygw {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Where it is, built once into the project's cache folder.
fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"), PathBuf::from);
    let folder = cache.join(format!("storage-element/versitygw-{VERSION}"));
    let program = folder.join("versitygw");
    if !program.is_file() {
        build(&folder, &program);
    }
    program
}

/// Builds it aside and renames it: two test programs that build it at once do not run half of it.
fn build(folder: &Path, program: &Path) {
    let advice = "versitygw cannot be built: install Go, or name a store with E2E_S3_ENDPOINT";
    let aside = folder.join(format!("build-{}", std::process::id()));
    std::fs::create_dir_all(&aside).expect("the cache folder can be written");
    let built = Command::new("go")
        .args(["install", "-trimpath", "-ldflags", "-s -w"])
        .arg(format!("github.com/versity/versitygw/cmd/versitygw@v{VERSION}"))
        .env("CGO_ENABLED", "0")
        .env("GOBIN", &aside)
        .status();
    assert!(built.expect(advice).success(), "{advice}");
    std::fs::rename(aside.join("versitygw"), program).expect(advice);
    let _ = std::fs::remove_dir(aside);
}

fn free_port() -> u16 {
    (0..100)
        .map(|_| rand::random_range(PORTS))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
