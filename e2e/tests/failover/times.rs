//! Twenty times each, held to the times that are promised. On a machine that does nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use storage_element_e2e::replicas::{TIMES, role};
use storage_element_e2e::{Ledger, Make, Replicas};

use crate::patient::Patient;
use crate::{logged, on_both_storages, said_again, until, write};

const RUNS: usize = 20;
/// Beyond the Lease's duration, after a kill.
const AFTER_KILL: Duration = Duration::from_secs(2);
/// From SIGTERM, which is before the Lease is released.
const AFTER_TERM: Duration = Duration::from_secs(1);
/// A log line is written a moment after what it tells.
const TO_WRITE_A_LINE: Duration = Duration::from_millis(100);

async fn after_a_kill(make: Make) -> Result<()> {
    let mut replicas = Replicas::start(make, 2).await?;
    let mut times = Vec::new();
    for round in 0..RUNS {
        let master = replicas.master().await?;
        let begun = Instant::now();
        tokio::task::block_in_place(|| replicas.nodes[master].kill())?;
        write(&replicas, &mut Ledger::new(), 1 - master, &format!("{round}")).await?;
        times.push(begun.elapsed());
        come_back(&mut replicas, master).await?;
    }
    println!("{make:?}: from the kill to the next accepted write {times:?}");
    let limit = Duration::from_secs(TIMES.0) + AFTER_KILL;
    ensure!(times.iter().all(|took| *took <= limit), "after a kill: {times:?}");
    Ok(())
}

async fn after_sigterm(make: Make) -> Result<()> {
    let mut replicas = Replicas::start(make, 2).await?;
    let mut times = Vec::new();
    for round in 0..RUNS {
        let master = replicas.master().await?;
        let mut ledger = Ledger::new();
        let patient = Patient::begin(&replicas, master, &format!("{round}"))?;
        tokio::time::sleep(Duration::from_millis(200)).await;
        replicas.nodes[master].signal(Signal::TERM)?;
        let begun = Instant::now();
        write(&replicas, &mut ledger, 1 - master, &format!("{round}")).await?;
        until("another is master", async || Ok(role(&replicas.nodes[1 - master]).await.as_deref() == Some("master")))
            .await?;
        write(&replicas, &mut ledger, 1 - master, &format!("{round}-by-the-other")).await?;
        times.push(begun.elapsed());
        tokio::task::block_in_place(|| replicas.nodes[master].wait(Duration::from_secs(30)))?;
        patient.end(&mut ledger).await?;
        come_back(&mut replicas, master).await?;
    }
    println!("{make:?}: from SIGTERM to a write that the other accepted {times:?}");
    ensure!(times.iter().all(|took| *took <= AFTER_TERM), "after SIGTERM: {times:?}");
    Ok(())
}

/// Cut off from the API server alone, a master takes no writes beyond its renew deadline.
async fn after_a_cut(make: Make) -> Result<()> {
    let replicas = Replicas::start(make, 2).await?;
    let mut times = Vec::new();
    for round in 0..RUNS {
        let master = replicas.master().await?;
        let before = logged(&replicas.nodes[1 - master], "open for writes").ok();
        let cut = time::OffsetDateTime::now_utc();
        replicas.ways[master].api.cut();
        write(&replicas, &mut Ledger::new(), 1 - master, &format!("{round}")).await?;
        until("another is master", async || Ok(role(&replicas.nodes[1 - master]).await.as_deref() == Some("master")))
            .await?;
        let opened = said_again(&replicas.nodes[1 - master], "open for writes", before).await?;
        let stopped = logged(&replicas.nodes[master], "takes no writes any more")?;
        ensure!(stopped < opened, "PROMISE BROKEN: it stopped at {stopped}, the new one began at {opened}");
        let stopped = time::OffsetDateTime::parse(&stopped, &time::format_description::well_known::Rfc3339)?;
        times.push(Duration::try_from(stopped - cut).context("it had stopped before")?);
        replicas.ways[master].api.restore();
        until("the old master is a standby", async || {
            Ok(role(&replicas.nodes[master]).await.as_deref() == Some("standby"))
        })
        .await?;
        replicas.ready(&replicas.nodes[master]).await?;
    }
    println!("{make:?}: from the cut to the end of writes {times:?}");
    let limit = Duration::from_secs(TIMES.1) + TO_WRITE_A_LINE;
    ensure!(times.iter().all(|took| *took <= limit), "after a cut: {times:?}");
    Ok(())
}

async fn come_back(replicas: &mut Replicas, number: usize) -> Result<()> {
    replicas.nodes[number].spawn()?;
    replicas.ready(&replicas.nodes[number]).await
}

on_both_storages!(
    #[ignore = "measures, and takes minutes on a machine that does nothing else: make times"]
    after_a_kill,
    after_sigterm,
    after_a_cut
);
