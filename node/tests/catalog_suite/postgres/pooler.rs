//! A pooler that keeps no sessions is recognised by what it does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use storage_node::catalog::CatalogError;
use storage_node::catalog::postgres::Server;

use super::At;
use super::running::Postgres as Running;

/// A real PgBouncer before a server, gone when dropped.
struct Pooler {
    process: Child,
    folder: PathBuf,
    url: String,
}

impl Pooler {
    fn start(server: &Path, mode: &str) -> Self {
        let folder = server.join(mode);
        std::fs::create_dir(&folder).unwrap();
        let config = folder.join("pgbouncer.ini");
        let mut file = std::fs::File::create(&config).unwrap();
        let (server, own) = (server.display(), folder.display());
        write!(
            file,
            "[databases]\npostgres = host={server} port=5432 user=se\n[pgbouncer]\nlisten_port = 6432\n\
             unix_socket_dir = {own}\nauth_type = any\npool_mode = {mode}\nlogfile = {own}/log\npidfile = {own}/pid\n"
        )
        .unwrap();
        let mut command = super::running::unprivileged(&folder);
        let process = command
            .args(["pgbouncer", "-q"])
            .arg(&config)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("PgBouncer is missing ({error}): apt-get install pgbouncer"));
        let url = format!("postgres://se@localhost/postgres?host={own}&port=6432");
        let pooler = Self { process, folder: folder.clone(), url };
        for _ in 0..400 {
            if folder.join(".s.PGSQL.6432").exists() {
                return pooler;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("PgBouncer does not start (Debian: apt-get install pgbouncer): {log}");
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = Command::new("rm").arg("-rf").arg(&self.folder).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_keeps_no_sessions_is_refused_where_there_are_several_nodes() {
    let running = Running::start();
    let folder = running.folder().unwrap().to_owned();
    let at = At::on(&running);
    for (mode, kept) in [("session", true), ("transaction", false), ("statement", false)] {
        let pooler = Pooler::start(&folder, mode);
        let mut options = at.options();
        options.url.clone_from(&pooler.url);
        let reached = Server::reach(options).await.err();
        if kept {
            assert!(reached.is_none(), "{mode}: {reached:?}");
        } else {
            assert!(matches!(reached, Some(CatalogError::Refused { .. } | CatalogError::Unavailable { .. })), "{mode}");
            let said = reached.map(|error| error.to_string()).unwrap_or_default();
            assert!(mode == "statement" || said.contains("pool_mode = session"), "{said}");
        }
    }
}
