//! A master that stops itself (SIGSTOP) at a named fail point, is succeeded, and goes on when it wakes: files, attr files,
//! rows and what clients saw are as if it had not.
//!
//! Some points of each kind by default; `SE_FENCING=all` (`make fencing`) goes through every one,
//! `SE_FENCING_POINT=mode.before_row` through that one.

#![allow(missing_docs, reason = "a test")]

mod scene;
mod seen;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, stream};
use rustix::process::Signal;
use serde_json::{Value, json};
use storage_element_e2e::replicas::{info, role, upload_somewhere};
use storage_element_e2e::{
    Client, Content, Database, Ledger, Make, Node, Replicas, Upload, change_mode, check, failpoints, job,
};

use self::scene::Scene;
use self::seen::Seen;
use self::work::{put_mode, seal, work};

/// Pairs of nodes at a time: most of the time they wait for a Lease to run out.
const AT_A_TIME: usize = 4;

/// How long what one waits for may take, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long one that woke is left to do what it wanted to.
const AWAKE: Duration = Duration::from_millis(1_500);

/// What a run without `SE_FENCING=all` goes through: around every write at a final place.
const SHORT: [&str; 14] = [
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
    "settle.before_remove_data",
    "mode.before_element_file",
    "takeover.before_epoch",
];

async fn a_stopped_master_changes_nothing(make: Make) -> Result<()> {
    let all = std::env::var("SE_FENCING").is_ok_and(|choice| choice == "all");
    let only = std::env::var("SE_FENCING_POINT").ok();
    let wanted = |point: &str| match &only {
        Some(only) => point == only,
        None => all || SHORT.contains(&point),
    };
    let points: Vec<String> = failpoints::of(make)?.into_iter().filter(|point| wanted(point)).collect();
    // A point of the other storage is none of this one's.
    let known = failpoints::all()?;
    ensure!(only.as_ref().is_none_or(|only| known.contains(only)), "there is no point {only:?}: {known:?}");
    ensure!(only.is_some() || points.len() >= 5, "too few points: {points:?}");
    let failed: Vec<String> = stream::iter(&points)
        .map(|point| async move {
            let begun = Instant::now();
            let happened = stopped_at(make, point).await;
            match &happened {
                Ok(()) => println!("{point}: {} ms", begun.elapsed().as_millis()),
                Err(error) => println!("{point}: {error:#}"),
            }
            happened.err().map(|error| format!("stopped at {point}: {error:#}"))
        })
        .buffer_unordered(AT_A_TIME)
        .filter_map(|failed| async { failed })
        .collect()
        .await;
    ensure!(failed.is_empty(), "{} of {} points:\n{}", failed.len(), points.len(), failed.join("\n\n"));
    Ok(())
}

async fn stopped_at(make: Make, point: &str) -> Result<()> {
    let scene = Scene::of(point);
    let mut replicas = Replicas::prepare(make, 2, |setup| scene.setup(setup)).await?;
    let mut ledger = Ledger::new();
    scene.history(&mut replicas, make, &mut ledger).await?;
    replicas.nodes[0].set_env("FAILPOINTS", &format!("{point}=1*return(stop)"));
    replicas.nodes[0].spawn()?;
    let (stopped, mut working) = (Arc::new(AtomicBool::new(false)), None);
    if !scene.is_a_start() {
        ensure!(replicas.master().await? == 0, "the first node is master");
        working = Some(match scene {
            Scene::ModeChange => {
                let (peers, stopped) = (Arc::clone(&replicas.peers), Arc::clone(&stopped));
                let here = tokio::runtime::Handle::current();
                tokio::task::spawn_blocking(move || here.block_on(seal(peers, stopped)))
            }
            _ => {
                let upload = file("before");
                // What became of it is judged by what its client heard.
                ledger.note_upload("before", upload.content().sha256()?, None)?;
                let client = replicas.nodes[0].client("operator")?;
                tokio::spawn(work(client, upload, Arc::clone(&stopped), scene == Scene::Collection))
            }
        });
    }
    until("the master has stopped itself", || Ok(replicas.nodes[0].is_stopped())).await?;
    stopped.store(true, Ordering::SeqCst);
    replicas.nodes[1].spawn()?;
    let clients = replicas.clients("operator")?;
    if scene == Scene::ModeChange {
        succeeded_or_sealed(&replicas.nodes[1]).await?;
    } else {
        ensure!(replicas.master_but(0).await? == 1, "the other node takes over");
        let during = file("during");
        let answer = upload_somewhere(&clients[1..], 0, &during).await?;
        ledger.note_upload("during", during.content().sha256()?, Some(&answer))?;
        let changed = clients[1].patch(&answer.file_id()?, &json!({"description": "by the successor"})).await?;
        ledger.note_description("during", "by the successor", Some(&changed))?;
        check::wal_is_settled(&replicas.nodes[1]).await?;
    }
    let before = Seen::of(replicas.nodes[1].storage(), &clients[1]).await?;

    replicas.nodes[0].signal(Signal::CONT)?;
    let heard = match working {
        Some(working) => working.await?,
        None => Vec::new(),
    };
    let begun = Instant::now();
    while role(&replicas.nodes[0]).await != stood_aside(&replicas.nodes[1]).await {
        ensure!(begun.elapsed() < PATIENCE, "the one that woke is no standby:\n{}", replicas.nodes[0].log_tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(AWAKE).await;
    let after = Seen::of(replicas.nodes[1].storage(), &clients[1]).await?;
    before.compare(&after, scene)?;
    told_the_truth(&heard, &clients[1], &replicas.nodes[1]).await?;
    for client in &clients {
        ledger.compare(client).await?;
    }
    let admin = replicas.nodes[1].client("admin")?;
    match scene {
        Scene::ModeChange => is_sealed_in_the_end(&replicas).await?,
        Scene::Collection => {
            job::run(&admin, "/api/v1/admin/gc", Some(&json!({}))).await?;
            let report = job::run(&admin, "/api/v1/admin/cache/verify", Some(&json!({"deep": true}))).await?;
            for finding in
                ["missing_data", "missing_row", "stale_row", "row_without_attr", "orphan_data", "damaged_attr"]
            {
                ensure!(report[finding] == 0, "PROMISE BROKEN: verify found {report}");
            }
        }
        _ => {}
    }
    for client in &clients {
        ledger.compare(client).await?;
    }
    Ok(())
}

/// What a node is that is not master beside `other`.
async fn stood_aside(other: &Node) -> Option<String> {
    match role(other).await.as_deref() {
        Some("master") => Some("standby".to_owned()),
        same => same.map(str::to_owned),
    }
}

/// Waits until the successor is master, or the element sealed with nothing left to do: where `element.json` was sealed
/// and the row was not yet, the successor first brings the row there.
async fn succeeded_or_sealed(successor: &Node) -> Result<()> {
    let begun = Instant::now();
    let Database::Postgres(schema) = successor.database() else { bail!("these nodes share a PostgreSQL") };
    loop {
        let is_master = role(successor).await.as_deref() == Some("master");
        let said = tokio::task::block_in_place(|| schema.sql("SELECT mode, epoch FROM config"))?;
        let file = successor.storage().element_file().await?;
        let sealed = file["mode"] == "ro" && said.trim() == format!("ro|{}", file["epoch"]);
        if (is_master || sealed) && tokio::task::block_in_place(|| successor.is_ready()) {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "no master and not sealed, but {said}:\n{}", successor.log_tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the client heard of the one that woke is true.
async fn told_the_truth(heard: &[(&'static str, String, u16)], client: &Client, successor: &Node) -> Result<()> {
    let deleting = heard.iter().any(|(what, ..)| *what == "delete");
    for (what, id, status) in heard {
        if *what == "mode" {
            let mode = info(successor).await.unwrap_or_default()["mode"].take();
            ensure!(
                *status != 200 || mode == "ro",
                "PROMISE BROKEN: the change was answered with 200, the mode is {mode}"
            );
            continue;
        }
        let now = client.metadata(id).await?;
        let is_true = match (*what, *status) {
            ("upload" | "update" | "hold" | "lift", 200 | 201) => now.status == 200 || (deleting && now.status == 404),
            ("delete", 204) => now.status == 404,
            _ => true,
        };
        ensure!(is_true, "PROMISE BROKEN: {what} of {id} was answered {status}, and now it is {now}");
    }
    Ok(())
}

/// The orchestrator asks the successor for the same change again: it is done, everywhere, and its report is the last.
async fn is_sealed_in_the_end(replicas: &Replicas) -> Result<()> {
    let put = async |wish: &Value| put_mode(&replicas.peers, 1, wish).await;
    // Where the first attempt has sealed the element, the second finds nothing to do.
    let attempt = if replicas.nodes[1].storage().element_file().await?["mode"] == "ro" { 1 } else { 2 };
    let answer = change_mode(put, "ro", 2).await?.context("no answer to the change of mode")?.expect(200)?;
    ensure!(answer.json()?["mode"] == "ro", "the mode did not change: {answer}");
    for node in &replicas.nodes {
        let begun = Instant::now();
        while info(node).await.unwrap_or_default()["mode"] != "ro" {
            ensure!(begun.elapsed() < PATIENCE, "a node does not follow the mode:\n{}", node.log_tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let storage = replicas.nodes[1].storage();
    ensure!(storage.element_file().await?["mode"] == "ro", "PROMISE BROKEN: element.json has another mode");
    let report = storage.read(".element/transitions/step-1.json").await?.context("the change left no report")?;
    let report: Value = serde_json::from_slice(&report)?;
    ensure!(report["attempt"] == attempt, "PROMISE BROKEN: of attempt {attempt}, the report is {report}");
    Ok(())
}

fn file(label: &str) -> Upload {
    Upload::new(format!("{label}.txt"), Content::bytes(format!("content of {label}\n")))
        .field("version", label)
        .idempotency_key(label)
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
