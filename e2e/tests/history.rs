//! Clients write, update, read and delete through all nodes while nodes are killed, frozen and cut off by seed; then the
//! history of what all of them saw is checked: each acknowledged write is there, no revision goes back, nothing deleted
//! returns.
//!
//! Half a minute on a folder and on a bucket by default; `HISTORY_SECONDS=120` for the long form, `HISTORY_SEED=n` for
//! another course of events.

#![allow(missing_docs, reason = "a test")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use storage_element_e2e::history::{Saw, Workload, violations};
use storage_element_e2e::{Make, Replicas, check};

const CLIENTS: usize = 8;
const NODES: usize = 3;

fn number(variable: &str, default: u64) -> Result<u64> {
    std::env::var(variable).map_or(Ok(default), |text| text.parse().with_context(|| format!("{variable}={text}")))
}

async fn the_history_could_be_that_of_one_store(make: Make) -> Result<()> {
    let (seconds, seed) = (number("HISTORY_SECONDS", 30)?, number("HISTORY_SEED", 1)?);
    println!("HISTORY_SEED={seed} HISTORY_SECONDS={seconds}");
    let mut replicas = Replicas::start(make, NODES).await?;
    let workload = Workload::over(replicas.clients("operator")?);
    let clients: Vec<_> =
        (0..CLIENTS).map(|client| tokio::spawn(std::sync::Arc::clone(&workload).work(client, seed))).collect();
    let troubled = trouble(&mut replicas, seed, Duration::from_secs(seconds)).await;
    workload.stop();
    for client in clients {
        client.await??;
    }
    troubled?;
    let master = replicas.master().await?;
    check::wal_is_settled(&replicas.nodes[master]).await?;
    for node in &replicas.nodes {
        replicas.ready(node).await?;
    }
    workload.read_all().await?;

    let events = workload.events();
    let done = events.iter().filter(|event| matches!(event.saw, Saw::Done { .. })).count();
    println!("{} events, {done} acknowledged writes", events.len());
    ensure!(done > 50, "only {done} writes were acknowledged: nothing was tried");
    let found = violations(&events);
    ensure!(found.is_empty(), "PROMISE BROKEN, with HISTORY_SEED={seed}:\n{}", found.join("\n"));
    Ok(())
}

/// One trouble after the other, each ended before the next, so that somebody can always be master.
async fn trouble(replicas: &mut Replicas, seed: u64, lasts: Duration) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let begun = Instant::now();
    while begun.elapsed() < lasts {
        tokio::time::sleep(Duration::from_millis(random.random_range(500..2_500))).await;
        // Mostly the master: that is where it hurts.
        let master = replicas.master().await?;
        let node = if random.random_range(0..3) < 2 { master } else { random.random_range(0..NODES) };
        let pause = Duration::from_millis(random.random_range(500..7_000));
        let what = random.random_range(0..5);
        println!("{:?}: {} node {node} for {pause:?}", begun.elapsed(), NAMES[what]);
        match what {
            0 => {
                tokio::task::block_in_place(|| replicas.nodes[node].kill())?;
                tokio::time::sleep(pause).await;
                tokio::task::block_in_place(|| replicas.nodes[node].spawn())?;
            }
            1 => {
                replicas.nodes[node].signal(Signal::STOP)?;
                tokio::time::sleep(pause).await;
                replicas.nodes[node].signal(Signal::CONT)?;
            }
            cut => {
                let ways = &replicas.ways[node];
                let link = match (cut, &ways.store) {
                    (2, _) => &ways.api,
                    (4, Some(store)) => store,
                    _ => &ways.catalog,
                };
                link.cut();
                tokio::time::sleep(pause).await;
                link.restore();
            }
        }
    }
    Ok(())
}

const NAMES: [&str; 5] = ["kill", "freeze", "cut the API server from", "cut the catalog from", "cut the store from"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_folder() -> Result<()> {
    the_history_could_be_that_of_one_store(Make::PostgresLocal).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_bucket() -> Result<()> {
    the_history_could_be_that_of_one_store(Make::PostgresS3).await
}
