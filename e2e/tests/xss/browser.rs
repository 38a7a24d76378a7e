//! A real browser without a window.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const PATIENCE: Duration = Duration::from_secs(45);

/// What became of a page.
pub struct Visit {
    /// The document after its scripts had their time; empty when there was none.
    pub dom: String,
    /// What its console showed, a line each.
    pub console: Vec<String>,
}

/// When the browser looks at what is there.
#[derive(Clone, Copy)]
pub enum Look {
    /// When the page and all that belongs to it are loaded, or after four seconds.
    Loaded,
    /// After five seconds of the page's own time, which passes as fast as it can. A download would stop that clock.
    Settled,
}

/// Opens `url` in a fresh profile, and looks at what is there.
pub fn open(url: &str, look: Look) -> Result<Visit> {
    let folder = tempfile::tempdir()?;
    let (dom, said) = (folder.path().join("dom"), folder.path().join("said"));
    let mut browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // It finds nothing but this machine.
        .args(["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--no-proxy-server"])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(match look {
            Look::Loaded => "--timeout=4000",
            Look::Settled => "--virtual-time-budget=5000",
        })
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(url)
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(File::create(&dom)?)
        .stderr(File::create(&said)?)
        .spawn()
        .context("chromium could not be run (Debian package chromium): this test needs a real browser")?;
    let begun = Instant::now();
    while browser.try_wait()?.is_none() {
        if begun.elapsed() > PATIENCE {
            browser.kill()?;
            browser.wait()?;
            let said = String::from_utf8_lossy(&std::fs::read(&said)?).into_owned();
            anyhow::bail!("the browser is not done with {url} after {PATIENCE:?}: {said}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let read = |path| Ok::<_, anyhow::Error>(String::from_utf8_lossy(&std::fs::read(path)?).into_owned());
    let (dom, said) = (read(&dom)?, read(&said)?);
    let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    ensure!(!said.contains("Failed to create"), "the browser did not come up: {said}");
    Ok(Visit { dom, console })
}
