//! A master that is killed, and one that is told to stop.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use storage_element_e2e::replicas::info;
use storage_element_e2e::{Ledger, Make, Replicas};

use crate::patient::Patient;
use crate::{all_is_well, logged, on_both_storages, until, write};

async fn a_killed_master_is_succeeded(make: Make) -> Result<()> {
    let mut replicas = Replicas::start(make, 2).await?;
    let mut ledger = Ledger::new();
    for round in 0..3 {
        let master = replicas.master().await?;
        let other = 1 - master;
        for file in 0..3 {
            write(&replicas, &mut ledger, master, &format!("{round}-before-{file}")).await?;
        }
        // Readable at the standby as soon as it is acknowledged.
        ledger.compare(&replicas.nodes[other].client("user")?).await?;
        tokio::task::block_in_place(|| replicas.nodes[master].kill())?;
        let killed = Instant::now();
        write(&replicas, &mut ledger, other, &format!("{round}-after")).await?;
        let took = killed.elapsed();
        println!("{make:?}: from the kill to the next accepted write {took:?}");
        replicas.nodes[master].spawn()?;
        replicas.ready(&replicas.nodes[master]).await?;
    }
    all_is_well(&mut replicas, &ledger).await
}

async fn a_master_told_to_stop_hands_over(make: Make) -> Result<()> {
    let mut replicas = Replicas::start(make, 2).await?;
    let mut ledger = Ledger::new();
    for round in 0..3 {
        let master = replicas.master().await?;
        let other = 1 - master;
        let before = info(&replicas.nodes[master]).await.unwrap_or_default()["epoch"].as_u64();
        let patient = Patient::begin(&replicas, master, &format!("{round}"))?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        replicas.nodes[master].signal(Signal::TERM)?;
        let told = Instant::now();
        write(&replicas, &mut ledger, other, &format!("{round}")).await?;
        let took = told.elapsed();
        println!("{make:?}: from SIGTERM to the next accepted write {took:?}");
        let status = tokio::task::block_in_place(|| replicas.nodes[master].wait(Duration::from_secs(30)))?;
        ensure!(status.is_some_and(|status| status.success()), "it ended with {status:?}");
        patient.end(&mut ledger).await?;
        let (told, opened) = (
            logged(&replicas.nodes[master], "stopping: running writes finish")?,
            logged(&replicas.nodes[other], "open for writes")?,
        );
        ensure!(told < opened, "told at {told}, and another was open at {opened}");
        let after = info(&replicas.nodes[other]).await.unwrap_or_default()["epoch"].as_u64();
        ensure!(after > before, "the epoch went from {before:?} to {after:?}");
        replicas.nodes[master].spawn()?;
        replicas.ready(&replicas.nodes[master]).await?;
    }
    all_is_well(&mut replicas, &ledger).await
}

/// The first start of all, by three at once.
async fn of_many_that_start_at_once_one_makes_the_element(make: Make) -> Result<()> {
    let mut replicas = Replicas::start(make, 3).await?;
    let mut ledger = Ledger::new();
    write(&replicas, &mut ledger, 0, "first").await?;
    let master = replicas.master().await?;
    let epoch = info(&replicas.nodes[master]).await.unwrap_or_default()["epoch"].as_u64().unwrap_or(0);
    ensure!(epoch > 0, "no term has begun");
    for (number, node) in replicas.nodes.iter().enumerate() {
        let expected = if number == master { "master" } else { "standby" };
        until("each knows its part and the master", async || {
            let Some(info) = info(node).await else { return Ok(false) };
            let named = info["master"].as_str().is_some_and(|name| name.starts_with(&format!("node-{master}_")));
            let renewed = info["seconds_since_renewal"].as_f64().is_some_and(|since| since < 60.0);
            Ok(info["role"] == expected
                && named
                && renewed
                && info["configured_mode"].is_null()
                && info["epoch"] == epoch)
        })
        .await?;
        let metrics = node.client("user")?.metrics().await?;
        let is_master = f64::from(u8::from(number == master));
        ensure!(metrics.sum("storage_element_master") == Some(is_master), "storage_element_master of node {number}");
        let shown = metrics.sum("storage_element_epoch");
        ensure!(shown == u32::try_from(epoch).ok().map(f64::from), "storage_element_epoch of node {number}: {shown:?}");
        // A busy machine may have let the Lease go once before.
        let takeovers = metrics.sum("storage_element_takeovers_total");
        ensure!(takeovers >= Some(is_master), "takeovers of node {number}: {takeovers:?}");
        // The first renewal comes half a deadline after the Lease was taken.
        until("the master renews, and it is counted", async || {
            let metrics = node.client("user")?.metrics().await?;
            let renewals = metrics.sum_where("storage_element_lease_renewals_total", "outcome=\"ok\"");
            Ok(number != master || renewals > 0.0)
        })
        .await?;
        ensure!(metrics.sum("storage_element_lease_seconds_since_renewal").is_some(), "seconds of node {number}");
    }
    all_is_well(&mut replicas, &ledger).await
}

on_both_storages!(
    a_killed_master_is_succeeded,
    a_master_told_to_stop_hands_over,
    of_many_that_start_at_once_one_makes_the_element
);
