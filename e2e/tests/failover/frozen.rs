//! A master that is frozen, succeeded, and wakes up.

use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;
use storage_element_e2e::replicas::role;
use storage_element_e2e::{Content, Ledger, Make, Replicas, Upload};

use crate::{all_is_well, on_both_storages, set_late_data_aside, until, write};

async fn a_frozen_master_changes_nothing_when_it_wakes(make: Make) -> Result<()> {
    let mut replicas = Replicas::start(make, 2).await?;
    let mut ledger = Ledger::new();
    let frozen = replicas.master().await?;
    let other = 1 - frozen;
    write(&replicas, &mut ledger, frozen, "before").await?;
    // One upload is in its middle when the freeze comes.
    let content = Content::Slow { piece: 10_000, pieces: 40, pause: Duration::from_millis(100) };
    let (client, sha256) = (replicas.nodes[frozen].client("user")?, content.sha256()?);
    let upload = Upload::new("slow.bin", content).field("version", "slow");
    let sending = tokio::spawn(async move { client.upload(&upload).await.ok() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    replicas.nodes[frozen].signal(Signal::STOP)?;
    let master = replicas.master_but(frozen).await?;
    ensure!(master == other, "another node than the one left");
    for number in 0..5 {
        write(&replicas, &mut ledger, other, &format!("during-{number}")).await?;
    }
    replicas.nodes[frozen].signal(Signal::CONT)?;
    let answer = sending.await?;
    ensure!(answer.as_ref().is_none_or(|answer| answer.code() == "NOT_MASTER"), "the cut upload: {answer:?}");
    ledger.note_upload("slow", sha256, answer.as_ref())?;
    until(
        "the old master is a standby",
        async || Ok(role(&replicas.nodes[frozen]).await.as_deref() == Some("standby")),
    )
    .await?;
    write(&replicas, &mut ledger, frozen, "after").await?;
    if make == Make::PostgresS3 {
        set_late_data_aside(&replicas).await?;
    }
    all_is_well(&mut replicas, &ledger).await
}

on_both_storages!(a_frozen_master_changes_nothing_when_it_wakes);
