//! One master, provably: real nodes, a real API server, a real PostgreSQL, on a shared folder and on a bucket.

#![allow(missing_docs, reason = "a test")]

mod cut;
mod frozen;
mod handed_over;
mod modes;
mod patient;
mod rolling;
mod times;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use storage_element_e2e::replicas::upload_somewhere;
use storage_element_e2e::{Answer, Content, Ledger, Make, Node, Replicas, Upload, check, job};

/// A small file that carries its label.
fn file(label: &str) -> Upload {
    Upload::new(format!("{label}.txt"), Content::bytes(format!("content of {label}\n")))
        .field("version", label)
        .idempotency_key(label)
}

/// Uploads under a label as a careful client does, beginning at node `first`.
async fn write(replicas: &Replicas, ledger: &mut Ledger, first: usize, label: &str) -> Result<Answer> {
    let upload = file(label);
    let answer = upload_somewhere(&replicas.clients("user")?, first, &upload).await?;
    ledger.note_upload(label, upload.content().sha256()?, Some(&answer))?;
    Ok(answer)
}

/// Every file is as it was acknowledged, seen through each of these nodes; then all nodes end, and what they left behind
/// is in order.
async fn all_is_well(replicas: &mut Replicas, ledger: &Ledger) -> Result<()> {
    every_file_is_there(replicas, ledger).await?;
    let node = &replicas.nodes[0];
    check::storage_is_tidy(node).await?;
    tokio::task::block_in_place(|| check::verify_finds_nothing(node))?;
    Ok(())
}

/// Every file is as it was acknowledged, seen through each of these nodes; then all nodes end.
async fn every_file_is_there(replicas: &mut Replicas, ledger: &Ledger) -> Result<()> {
    let master = replicas.master().await?;
    check::wal_is_settled(&replicas.nodes[master]).await?;
    for node in &replicas.nodes {
        replicas.ready(node).await?;
        ledger.compare(&node.client("user")?).await?;
    }
    for node in &mut replicas.nodes {
        tokio::task::block_in_place(|| node.stop())?;
    }
    Ok(())
}

/// What a store had not taken yet of an upload that was cut off may come later: data that nothing describes. Nothing else
/// is set aside, so that afterwards all has to be in order.
async fn set_late_data_aside(replicas: &Replicas) -> Result<()> {
    let master = replicas.master().await?;
    let admin = replicas.nodes[master].client("admin")?;
    let report = job::run(&admin, "/api/v1/admin/gc", Some(&json!({"orphans": true}))).await?;
    println!("collected: {report}");
    Ok(())
}

/// Waits until something is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> Result<bool>) -> Result<Duration> {
    let begun = Instant::now();
    while !so().await? {
        ensure!(begun.elapsed() < Duration::from_mins(1), "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Ok(begun.elapsed())
}

/// When the last line of a node's log with this in its message was written.
fn logged(node: &Node, message: &str) -> Result<String> {
    let log = node.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut told = lines.filter(|line| line["message"].as_str().is_some_and(|text| text.contains(message)));
    let last = told.next_back().with_context(|| format!("the log never says {message:?}:\n{}", node.log_tail()))?;
    Ok(last["timestamp"].as_str().context("a line without a time")?.to_owned())
}

/// Waits until a node's log says this once more than at `before`, and when it did. A node is master a moment before it is
/// open for writes, and open a moment before it says so.
async fn said_again(node: &Node, message: &str, before: Option<String>) -> Result<String> {
    until(message, async || Ok(logged(node, message).ok() != before)).await?;
    logged(node, message)
}

/// Makes a test for a shared folder and one for a bucket of each function.
macro_rules! on_both_storages {
    ($(#[$mark:meta])? $($name:ident),+ $(,)?) => { $crate::on_both_storages!(@ [$(#[$mark])?] $($name),+); };
    (@ $marks:tt $($name:ident),+) => { $($crate::on_both_storages!(@one $marks $name);)+ };
    (@one [$($mark:tt)*] $name:ident) => {
        mod $name {
            $($mark)*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn folder() -> anyhow::Result<()> {
                super::$name($crate::Make::PostgresLocal).await
            }

            $($mark)*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn bucket() -> anyhow::Result<()> {
                super::$name($crate::Make::PostgresS3).await
            }
        }
    };
}
use on_both_storages;
