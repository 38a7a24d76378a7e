//! nginx as Debian ships it, serving a folder of its own; stopped on drop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use storage_element_e2e::Wire;
use storage_element_e2e::setup::free_port;

/// A running nginx.
pub struct Nginx {
    process: Child,
    root: PathBuf,
    port: u16,
}

impl Nginx {
    /// Starts one below `folder`.
    pub fn start(folder: &Path) -> Result<Self> {
        let (home, root, port) = (folder.join("nginx"), folder.join("nginx/root"), free_port()?);
        fs::create_dir_all(&root)?;
        let config = home.join("nginx.conf");
        fs::write(&config, configuration(&home, &root, port))?;
        let process = Command::new(program()?)
            .arg("-p")
            .arg(&home)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .context("nginx could not be run")?;
        let nginx = Self { process, root, port };
        let begun = Instant::now();
        while Wire::connect(nginx.address()).is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(10), "nginx does not listen after 10 s");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }

    /// Where it listens.
    pub fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// The folder it serves.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM through the pid, so that the workers end too.
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::TERM,
        );
        let _ = self.process.wait();
    }
}

fn program() -> Result<PathBuf> {
    let known = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
    known.into_iter().find(|path| path.is_file()).context(
        "nginx is missing, which the node is measured beside: run `make bench` as root, or `apt-get install nginx-light`",
    )
}

/// A worker for each core, sendfile, and an access log to a file as Debian's default has it and the node has too.
fn configuration(home: &Path, root: &Path, port: u16) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let (home, root) = (home.display(), root.display());
    format!(
        "{user}worker_processes auto;\ndaemon off;\npid {home}/pid;\nerror_log {home}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  sendfile on;\n  tcp_nopush on;\n  tcp_nodelay on;\n  keepalive_requests 100000000;\n  \
         access_log {home}/access.log;\n  default_type application/octet-stream;\n  \
         client_body_temp_path {home}/t1;\n  proxy_temp_path {home}/t2;\n  fastcgi_temp_path {home}/t3;\n  \
         uwsgi_temp_path {home}/t4;\n  scgi_temp_path {home}/t5;\n  \
         server {{ listen 127.0.0.1:{port}; root {root}; }}\n}}\n"
    )
}
