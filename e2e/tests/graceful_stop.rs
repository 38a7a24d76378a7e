//! SIGTERM: running requests finish within a bound, nothing is left behind, exit status 0.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use storage_element_e2e::{Content, Ledger, Make, Upload, Wire, check, on_every_make};

const DRAIN_SECONDS: u64 = 3;

async fn an_upload_in_its_middle_is_finished(make: Make) -> Result<()> {
    let mut node = make.setup().start()?;
    let content = Content::Slow { piece: 100_000, pieces: 10, pause: Duration::from_millis(150) };
    let (client, upload) = (node.client("user")?, Upload::new("slow.bin", content.clone()).field("version", "slow"));
    let sending = tokio::spawn(async move { client.upload(&upload).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    // An idle connection does not delay the stop.
    let _idle = Wire::connect(node.address())?;
    node.signal(Signal::TERM)?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    ensure!(Wire::connect(node.address()).is_err(), "a new connection was taken after SIGTERM");

    let answer = sending.await??.expect(201)?;
    let status = node.wait(Duration::from_secs(10))?.context("the node goes on after its last request")?;
    ensure!(status.success(), "exit status {status}");
    check::storage_is_tidy(&node).await?;
    check::verify_finds_nothing(&node)?;

    let mut ledger = Ledger::new();
    ledger.note_upload("slow", content.sha256()?, Some(&answer))?;
    node.start()?;
    check::everything(&mut node, &ledger).await
}

async fn an_upload_that_does_not_end_is_ended_at_the_bound(make: Make) -> Result<()> {
    let mut node = make.setup().setting("limits.drain_timeout_seconds", DRAIN_SECONDS).start()?;
    let content = Content::Slow { piece: 1_000, pieces: 10_000, pause: Duration::from_millis(100) };
    let (client, upload) =
        (node.client("user")?, Upload::new("endless.bin", content.clone()).field("version", "endless"));
    let sending = tokio::spawn(async move { client.upload(&upload).await.ok() });
    tokio::time::sleep(Duration::from_millis(500)).await;

    let begun = Instant::now();
    node.signal(Signal::TERM)?;
    let bound = Duration::from_secs(DRAIN_SECONDS + 5);
    let status = node.wait(bound)?.with_context(|| format!("the node goes on {bound:?} after SIGTERM"))?;
    ensure!(status.success(), "exit status {status}");
    ensure!(begun.elapsed() >= Duration::from_secs(DRAIN_SECONDS - 1), "the upload was not given its time");
    check::storage_is_tidy(&node).await?;

    let mut ledger = Ledger::new();
    ledger.note_upload("endless", content.sha256()?, sending.await?.as_ref())?;
    node.start()?;
    check::everything(&mut node, &ledger).await
}

on_every_make!(an_upload_in_its_middle_is_finished, an_upload_that_does_not_end_is_ended_at_the_bound);
