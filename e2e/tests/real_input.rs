//! Real files of this machine, sixteen clients, and a node that is killed again and again: what was acknowledged is
//! there byte for byte, what was not is whole or absent, and nothing else is left.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use storage_element_e2e::{Answer, Client, Content, Ledger, Make, Node, Upload, check, on_every_make};
use tokio::sync::Mutex;

const CLIENTS: usize = 16;
/// Where real files are, in the order in which they are taken.
const PLACES: [&str; 3] = ["/usr/share", "/usr/include", "/usr/lib"];
/// How long all uploads, or those between two kills, may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Larger ones are left out, so that the test stays within minutes.
const LARGEST_REAL_BYTES: u64 = 256 * 1024;

/// How much is sent.
struct Extent {
    files: usize,
    kills: usize,
    /// The size of one file beside the real ones.
    huge_bytes: u64,
}

/// All of it on the make that needs nothing installed, some of it on the others.
const fn extent(make: Make) -> Extent {
    match make {
        Make::SqliteLocal => Extent { files: 5_000, kills: 12, huge_bytes: 2 << 30 },
        _ => Extent { files: 1_000, kills: 5, huge_bytes: 128 << 20 },
    }
}

async fn acknowledged_files_survive_being_killed(make: Make) -> Result<()> {
    let extent = extent(make);
    let mut node = make.setup().setting("logging.level", "warn").start()?;
    let work = Arc::new(Work::collect(extent.files)?);
    ensure!(
        work.files.len() >= extent.files,
        "only {} files below {PLACES:?}: too few for this test",
        work.files.len()
    );

    let base = node.client("user")?;
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(work.clone().send_all(base.clone()))).collect();
    kill_at_random(&mut node, &work, extent.kills)?;
    for client in clients {
        tokio::time::timeout(PATIENCE, client).await.context("uploads are not acknowledged any more")???;
    }

    let mut ledger = std::mem::take(&mut *work.ledger.lock().await);
    huge_file(&mut node, &mut ledger, extent.huge_bytes).await?;
    ensure!(
        ledger.acknowledged() > extent.files / 2,
        "too few acknowledged to prove anything: {}",
        ledger.acknowledged()
    );
    check::everything(&mut node, &ledger).await
}

/// The files to send, and what came of those sent.
struct Work {
    files: Vec<(String, Content)>,
    next: AtomicUsize,
    up: AtomicBool,
    ledger: Mutex<Ledger>,
}

impl Work {
    fn collect(number: usize) -> Result<Self> {
        let mut paths = Vec::new();
        for place in PLACES {
            if paths.len() < number {
                gather(Path::new(place), &mut paths);
            }
        }
        let mut files = made_names();
        for path in paths.into_iter().take(number) {
            let size = std::fs::metadata(&path)?.len();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.push((name, Content::File { path, size }));
        }
        let (next, up) = (AtomicUsize::new(0), AtomicBool::new(true));
        Ok(Self { files, next, up, ledger: Mutex::default() })
    }

    /// One client: takes the next file until none is left. Every other file is sent with an `Idempotency-Key`, again
    /// and again until it is acknowledged: it must be there exactly once. The others are sent once.
    async fn send_all(self: Arc<Self>, client: Client) -> Result<()> {
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let Some((name, content)) = self.files.get(number) else { return Ok(()) };
            let (label, sha256) = (format!("file-{number}"), content.sha256()?);
            let mut upload = Upload::new(name, content.clone()).field("version", &label);
            let repeat = number.is_multiple_of(2);
            if repeat {
                upload = upload.idempotency_key(&label);
            }
            let mut answer = self.send(&client, &upload).await;
            while repeat && answer.as_ref().is_none_or(|answer| answer.status != 201) {
                if let Some(answer) = answer {
                    ensure!(answer.status == 503, "{label} ({name}) was refused: {answer}");
                }
                answer = self.send(&client, &upload).await;
            }
            self.ledger.lock().await.note_upload(&label, sha256, answer.as_ref())?;
        }
    }

    async fn send(&self, client: &Client, upload: &Upload) -> Option<Answer> {
        while !self.up.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.upload(upload).await.ok()
    }
}

/// Kills the node so many times, evenly over the files, each a random moment later.
fn kill_at_random(node: &mut Node, work: &Work, kills: usize) -> Result<()> {
    for kill in 1..=kills {
        let (due, begun) = (work.files.len() * kill / (kills + 1), Instant::now());
        while work.next.load(Ordering::SeqCst) < due {
            ensure!(node.is_running()?, "the node ended by itself:\n{}", node.log_tail());
            ensure!(begun.elapsed() < PATIENCE, "uploads do not go on:\n{}", node.log_tail());
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(Duration::from_micros(rand::random_range(0..60_000)));
        work.up.store(false, Ordering::SeqCst);
        node.kill()?;
        node.start()?;
        work.up.store(true, Ordering::SeqCst);
    }
    Ok(())
}

/// A huge file made on the spot: once killed in its middle, once to its end.
async fn huge_file(node: &mut Node, ledger: &mut Ledger, size: u64) -> Result<()> {
    let content = Content::Generated { seed: 42, size };
    let upload = |label: &str| Upload::new("a huge one.bin", content.clone()).field("version", label);
    let sha256 = content.sha256()?;

    let (client, killed) = (node.client("user")?, upload("huge-killed"));
    let sending = tokio::spawn(async move { client.upload(&killed).await.ok() });
    tokio::time::sleep(Duration::from_millis(rand::random_range(300..1_500))).await;
    node.kill()?;
    node.start()?;
    ledger.note_upload("huge-killed", sha256.clone(), sending.await?.as_ref())?;

    let answer = node.client("user")?.upload(&upload("huge")).await?.expect(201)?;
    ledger.note_upload("huge", sha256, Some(&answer))
}

/// Names no file below `/usr/share` has, and files with nothing in them.
fn made_names() -> Vec<(String, Content)> {
    let names = [
        "a name with spaces.txt",
        "Договор № 7 (копия).pdf",
        "smörgåsbord ñandú.ods",
        "日本語のファイル.md",
        "e\u{301}te\u{301} decomposed.txt",
        "🗄️ cabinet.json",
        ".hidden",
        "no-extension",
        "-rf",
        "semi;colon'quote.tar.gz",
    ];
    let mut files: Vec<_> =
        names.iter().map(|name| ((*name).to_owned(), Content::bytes(name.repeat(100).into_bytes()))).collect();
    files.extend((0..10).map(|number| (format!("empty {number}.dat"), Content::bytes(Vec::new()))));
    files
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    // One folder must not be all of the five thousand.
    let mut of_extension: HashMap<_, usize> = HashMap::new();
    for entry in entries.flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        let readable = || std::fs::File::open(entry.path()).is_ok();
        if kind.is_dir() {
            gather(&path, files);
        } else if kind.is_file() && entry.metadata().is_ok_and(|data| data.len() <= LARGEST_REAL_BYTES) && readable() {
            let seen = of_extension.entry(path.extension().map(ToOwned::to_owned)).or_default();
            *seen += 1;
            if *seen <= 150 {
                files.push(path);
            }
        }
    }
}

on_every_make!(acknowledged_files_survive_being_killed);
