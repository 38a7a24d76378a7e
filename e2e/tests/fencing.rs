//! A master that stops itself (SIGSTOP) at a named fail point, is succeeded, and goes on when it wakes: files, attr files,
//! rows and what clients saw are as if it had not.
//!
//! Some points of each kind by default; `SE_FENCING=all` (`make fencing`) goes through every one.

#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::process::Signal;
use serde_json::{Value, json};
use storage_element_e2e::replicas::{role, upload_somewhere};
use storage_element_e2e::storage::is_tombstone;
use storage_element_e2e::{Client, Content, Ledger, Make, Replicas, Setup, Storage, Upload, check, failpoints};

/// Pairs of nodes at a time: most of the time they wait for a Lease to run out.
const AT_A_TIME: usize = 4;

/// How long what one waits for may take, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long one that woke is left to do what it wanted to.
const AWAKE: Duration = Duration::from_millis(1_500);

/// What a run without `SE_FENCING=all` goes through: around every write at a final place.
const SHORT: [&str; 12] = [
    "upload.after_intent",
    "local.before_rename_data",
    "local.after_rename_data",
    "local.after_rename_attr",
    "upload.before_commit",
    "local.before_replace_attr",
    "update.before_commit",
    "s3.after_data",
    "s3.before_put_attr",
    "s3.after_put_attr",
    "s3.before_replace_attr",
    "takeover.before_epoch",
];

/// Passed before a node is open for writes.
fn is_of_the_start(point: &str) -> bool {
    let starting = ["takeover.", "element_file.", "local.before_end_terms", "local.before_own", "local.after_own"];
    starting.iter().any(|start| point.starts_with(start))
}

/// Points that an untroubled life does not pass: they are of settling somebody else's rows, of a change of mode (whose
/// row makes a successor inherit it) and of gc; the crash suite and the protocol's own tests go through them.
fn is_elsewhere(point: &str) -> bool {
    let elsewhere =
        ["settle.", "mode.", "gc.", "local.after_rename_dead", "local.after_move_to_trash", "takeover.after_empty"];
    elsewhere.iter().any(|start| point.starts_with(start))
}

async fn a_stopped_master_changes_nothing(make: Make) -> Result<()> {
    let all = std::env::var("SE_FENCING").is_ok_and(|choice| choice == "all");
    let points = failpoints::of(make)?.into_iter().filter(|point| !is_elsewhere(point));
    let points: Vec<String> = points.filter(|point| all || SHORT.contains(&point.as_str())).collect();
    ensure!(points.len() >= 5, "too few points: {points:?}");
    let done = stream::iter(points).map(|point| async move {
        let begun = Instant::now();
        stopped_at(make, &point).await.with_context(|| format!("stopped at {point}"))?;
        println!("{point}: {} ms", begun.elapsed().as_millis());
        anyhow::Ok(())
    });
    done.buffer_unordered(AT_A_TIME).try_collect::<Vec<()>>().await.map(drop)
}

async fn stopped_at(make: Make, point: &str) -> Result<()> {
    let mut replicas = Replicas::prepare(make, 2, Setup::with_failpoints).await?;
    let mut ledger = Ledger::new();
    replicas.nodes[0].set_env("FAILPOINTS", &format!("{point}=1*return(stop)"));
    replicas.nodes[0].spawn()?;
    let (stopped, mut working) = (Arc::new(AtomicBool::new(false)), None);
    if !is_of_the_start(point) {
        ensure!(replicas.master().await? == 0, "the first node is master");
        let upload = file("before");
        // What became of it is judged by what its client heard.
        ledger.note_upload("before", upload.content().sha256()?, None)?;
        working = Some(tokio::spawn(work(replicas.nodes[0].client("operator")?, upload, Arc::clone(&stopped))));
    }
    until("the master has stopped itself", || Ok(replicas.nodes[0].is_stopped())).await?;
    stopped.store(true, Ordering::SeqCst);
    replicas.nodes[1].spawn()?;
    ensure!(replicas.master_but(0).await? == 1, "the other node takes over");
    let clients = replicas.clients("operator")?;
    let during = file("during");
    let answer = upload_somewhere(&clients[1..], 0, &during).await?;
    ledger.note_upload("during", during.content().sha256()?, Some(&answer))?;
    let changed = clients[1].patch(&answer.file_id()?, &json!({"description": "by the successor"})).await?;
    ledger.note_description("during", "by the successor", Some(&changed))?;
    let master = &replicas.nodes[1];
    check::wal_is_settled(master).await?;
    let before = Seen::of(master.storage(), &clients[1]).await?;

    replicas.nodes[0].signal(Signal::CONT)?;
    let heard = match working {
        Some(working) => working.await?,
        None => Vec::new(),
    };
    let begun = Instant::now();
    while role(&replicas.nodes[0]).await.as_deref() != Some("standby") {
        ensure!(begun.elapsed() < PATIENCE, "the one that woke is no standby:\n{}", replicas.nodes[0].log_tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(AWAKE).await;
    let after = Seen::of(replicas.nodes[1].storage(), &clients[1]).await?;
    before.compare(&after)?;
    // What the client heard of the one that woke is true.
    let deleting = heard.iter().any(|(what, ..)| *what == "delete");
    for (what, id, status) in heard {
        let now = clients[1].metadata(&id).await?;
        let is_true = match (what, status) {
            ("upload" | "update" | "hold" | "lift", 200 | 201) => now.status == 200 || (deleting && now.status == 404),
            ("delete", 204) => now.status == 404,
            _ => true,
        };
        ensure!(is_true, "PROMISE BROKEN: {what} of {id} was answered {status}, and now it is {now}");
    }
    for client in &clients {
        ledger.compare(client).await?;
    }
    Ok(())
}

fn file(label: &str) -> Upload {
    Upload::new(format!("{label}.txt"), Content::bytes(format!("content of {label}\n")))
        .field("version", label)
        .idempotency_key(label)
}

/// Every kind of operation, until the node stands still: what comes later would be the successor's, passed on. What was
/// answered.
async fn work(client: Client, first: Upload, stopped: Arc<AtomicBool>) -> Vec<(&'static str, String, u16)> {
    let mut heard = Vec::new();
    let Ok(answer) = client.upload(&first).await else { return heard };
    let Ok(id) = answer.file_id() else { return heard };
    heard.push(("upload", id.clone(), answer.status));
    let goes_on = || !stopped.load(Ordering::SeqCst);
    let hold = format!("/api/v1/files/{id}/legal-hold");
    if goes_on()
        && let Ok(answer) = client.patch(&id, &json!({"description": "by the first master"})).await
    {
        heard.push(("update", id.clone(), answer.status));
    }
    if goes_on()
        && let Ok(answer) = client.send_json("PUT", &hold, &json!({"reason": "a test"})).await
    {
        heard.push(("hold", id.clone(), answer.status));
    }
    if goes_on()
        && let Ok(answer) = client.send("DELETE", &hold, &[], None).await
    {
        heard.push(("lift", id.clone(), answer.status));
    }
    if goes_on() {
        // One that is not answered may have happened.
        let status = client.delete(&id).await.map_or(0, |answer| answer.status);
        heard.push(("delete", id, status));
    }
    heard
}

/// All that is stored, and all that the catalog says.
struct Seen {
    objects: BTreeMap<String, u64>,
    attrs: BTreeMap<String, Vec<u8>>,
    files: Vec<Value>,
    log: Vec<Value>,
}

impl Seen {
    async fn of(storage: &Storage, client: &Client) -> Result<Self> {
        // What lies in a term's own staging is its own affair: it is removed with the term.
        let is_final = |name: &String| !name.contains("staging/") && !name.starts_with(".trash/");
        let objects: BTreeMap<String, u64> =
            storage.names().await?.into_iter().filter(|(name, _)| is_final(name)).collect();
        let mut attrs = BTreeMap::new();
        for name in objects.keys().filter(|name| name.ends_with(".attr.json") || name.starts_with(".element/")) {
            attrs.insert(name.clone(), storage.read(name).await?.unwrap_or_default().to_vec());
        }
        let admin = client.with_token(Some(storage_element_e2e::Tokens::shared().role("admin")));
        let files = client.all("/api/v1/files", &[]).await?;
        let log = admin.all("/api/v1/admin/wal", &[]).await?;
        Ok(Self { objects, attrs, files, log })
    }

    fn compare(&self, after: &Self) -> Result<()> {
        let mut objects = after.objects.clone();
        // A store cannot be kept from taking data that nothing describes: beside a tombstone it is no file, and
        // `gc {orphans}` sets it aside.
        objects.retain(|name, _| {
            let tombstone = self.attrs.get(&format!("{name}.attr.json")).is_some_and(|attr| is_tombstone(attr));
            self.objects.contains_key(name) || !tombstone
        });
        ensure!(self.objects == objects, "PROMISE BROKEN: objects: {:?}, then {:?}", self.objects, after.objects);
        for (name, bytes) in &self.attrs {
            let now = after.attrs.get(name).with_context(|| format!("PROMISE BROKEN: {name} is gone"))?;
            if now != bytes {
                let text = String::from_utf8_lossy;
                bail!("PROMISE BROKEN: {name} was {} and is {}", text(bytes), text(now));
            }
        }
        ensure!(self.files == after.files, "PROMISE BROKEN: rows: {:?}, then {:?}", self.files, after.files);
        ensure!(self.log == after.log, "PROMISE BROKEN: the log: {:?}, then {:?}", self.log, after.log);
        Ok(())
    }
}

async fn until(what: &str, mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !so()? {
        ensure!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_folder() -> Result<()> {
    a_stopped_master_changes_nothing(Make::PostgresLocal).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_bucket() -> Result<()> {
    a_stopped_master_changes_nothing(Make::PostgresS3).await
}
