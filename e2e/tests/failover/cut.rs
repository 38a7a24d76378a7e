//! A master that is cut off from what it needs.

use anyhow::{Context, Result, ensure};
use storage_element_e2e::replicas::role;
use storage_element_e2e::{Ledger, Link, Make, Replicas};

use crate::{all_is_well, logged, on_both_storages, said_again, set_late_data_aside, until, write};

/// Cuts `link` of the master, and sees that another one goes on, after the old one has stopped; then restores it.
async fn cut_off(make: Make, late_data: bool, link: impl Fn(&Replicas, usize) -> Option<&Link>) -> Result<()> {
    let mut replicas = Replicas::start(make, 2).await?;
    let mut ledger = Ledger::new();
    let old = replicas.master().await?;
    let other = 1 - old;
    write(&replicas, &mut ledger, old, "before").await?;
    let before = logged(&replicas.nodes[other], "open for writes").ok();
    link(&replicas, old).context("there is no such link")?.cut();
    write(&replicas, &mut ledger, other, "during").await?;
    until("the other one is master", async || Ok(role(&replicas.nodes[other]).await.as_deref() == Some("master")))
        .await?;
    until("the old master has stepped down", async || {
        Ok(role(&replicas.nodes[old]).await.is_none_or(|role| role == "standby"))
    })
    .await?;
    let stopped = said_again(&replicas.nodes[old], "takes no writes any more", None).await?;
    let opened = said_again(&replicas.nodes[other], "open for writes", before).await?;
    ensure!(stopped < opened, "the old master stopped at {stopped}, the new one began at {opened}");
    link(&replicas, old).context("there is no such link")?.restore();
    until("the old master serves again", async || {
        Ok(tokio::task::block_in_place(|| replicas.nodes[old].is_ready()) && role(&replicas.nodes[old]).await.is_some())
    })
    .await?;
    write(&replicas, &mut ledger, old, "after").await?;
    if late_data {
        set_late_data_aside(&replicas).await?;
    }
    all_is_well(&mut replicas, &ledger).await
}

async fn from_the_api_server(make: Make) -> Result<()> {
    cut_off(make, false, |replicas, number| replicas.ways.get(number).map(|ways| &ways.api)).await
}

async fn from_the_catalog(make: Make) -> Result<()> {
    cut_off(make, false, |replicas, number| replicas.ways.get(number).map(|ways| &ways.catalog)).await
}

on_both_storages!(from_the_api_server, from_the_catalog);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_bucket() -> Result<()> {
    cut_off(Make::PostgresS3, true, |replicas, number| replicas.ways.get(number).and_then(|ways| ways.store.as_ref()))
        .await
}
