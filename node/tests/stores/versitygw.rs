//! A versitygw that serves a temporary folder for as long as this program runs.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::Bucket;

const VERSION: &str = "1.8.0";
const ACCESS_KEY: &str = "test-access";
const SECRET_KEY: &str = "test-secret-key";

/// Starts one.
pub async fn start() -> Bucket {
    started(None).await
}

/// Starts one that speaks TLS with this certificate and key, in PEM.
pub async fn start_with(certificate: &str, key: &str) -> Bucket {
    started(Some((certificate, key))).await
}

/// It ends with this program, however that ends: a shell in between waits for our end of a pipe to close.
async fn started(tls: Option<(&str, &str)>) -> Bucket {
    let program = program();
    let root = tempfile::Builder::new().prefix("versitygw-").tempdir().unwrap().keep();
    std::fs::create_dir_all(root.join("data/elements")).unwrap();
    let mut options = String::new();
    if let Some((certificate, key)) = tls {
        let (certificate_file, key_file) = (root.join("tls.crt"), root.join("tls.key"));
        std::fs::write(&certificate_file, certificate).unwrap();
        std::fs::write(&key_file, key).unwrap();
        options = format!("--cert {} --key {}", certificate_file.display(), key_file.display());
    }
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let script = "\"$1\" --quiet --port \"$2\" $4 posix \"$3/data\" >\"$3/log\" 2>&1 & pid=$!; cat >/dev/null; \
                  kill -9 $pid; wait $pid 2>/dev/null; rm -rf \"$3\"";
    let shell = Command::new("sh")
        .args(["-c", script, "versitygw"])
        .arg(program)
        .arg(&address)
        .arg(&root)
        .arg(options)
        .env("ROOT_ACCESS_KEY", ACCESS_KEY)
        .env("ROOT_SECRET_KEY", SECRET_KEY)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // Its end of the pipe stays open until this program ends.
    std::mem::forget(shell);
    for _ in 0..200 {
        if TcpStream::connect(&address).await.is_ok() {
            return Bucket {
                endpoint: match tls {
                    // The name that certificates are made for.
                    Some(_) => format!("https://localhost:{port}"),
                    None => format!("http://{address}"),
                },
                name: "elements".to_owned(),
                access_key: ACCESS_KEY.to_owned(),
                secret_key: SECRET_KEY.to_owned(),
            };
        }
        sleep(Duration::from_millis(50)).await;
    }
    let log = std::fs::read_to_string(root.join("log")).unwrap_or_default();
    panic!("versitygw does not listen on {address} after 10 s: {log}");
}

/// Where it is, built once into the project's cache folder.
fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"), PathBuf::from);
    let folder = cache.join(format!("storage-element/versitygw-{VERSION}"));
    let program = folder.join("versitygw");
    if !program.is_file() {
        let module = format!("github.com/versity/versitygw/cmd/versitygw@v{VERSION}");
        let built = Command::new("go")
            .args(["install", "-trimpath", "-ldflags", "-s -w", &module])
            .env("CGO_ENABLED", "0")
            .env("GOBIN", &folder)
            .status();
        let advice = "versitygw cannot be built: install Go, or name a store with E2E_S3_ENDPOINT";
        assert!(built.expect(advice).success(), "{advice}");
    }
    program
}
