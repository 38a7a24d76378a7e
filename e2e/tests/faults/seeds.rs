//! Faults at random, by seed, between a node and PostgreSQL and between it and S3: whatever was acknowledged is there,
//! whole and right; what was not is whole or absent; nobody ever sees half of anything.
//!
//! `FAULT_SEEDS=200` is the long form, `FAULT_SEED=17` replays one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use storage_element_e2e::{Make, Weather, job};

use super::account::Account;
use super::behind::{Behind, Locks};
use super::workload::{self, Crew};

const SEEDS: u64 = 8;
/// Seeds at a time: faults are mostly waited for.
const AT_ONCE: usize = 4;
const WORKERS: u64 = 6;
const ROUGH_FOR: Duration = Duration::from_secs(4);
/// So many faults make a seed worth its name.
const FAULTS_LEAST: u64 = 5;
const ROUNDS_MOST: u32 = 5;

#[test]
fn nothing_acknowledged_is_lost_and_nothing_half_done_is_seen() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("FAULT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FAULT_SEEDS").unwrap_or(SEEDS),
    };
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    match run(seed) {
                        Ok(line) => println!("{line}"),
                        Err(error) => {
                            failed.lock().unwrap().push(format!("FAULT_SEED={seed} ({:?}): {error:#}", make(seed).0));
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {} seeds failed; each replays with\n{}",
        failed.len(),
        seeds.count(),
        failed.join("\n")
    );
}

/// Which make a seed runs on, and whether the session with the lock suffers too: then the node ends, and is started anew.
const fn make(seed: u64) -> (Make, Locks) {
    let make = match seed % 4 {
        0 | 1 => Make::PostgresS3,
        2 => Make::PostgresLocal,
        _ => Make::SqliteS3,
    };
    (make, if matches!(seed % 8, 5 | 6) { Locks::Suffer } else { Locks::Pass })
}

fn run(seed: u64) -> Result<String> {
    let (make, locks) = make(seed);
    let mut behind = Behind::start(make, seed, None, locks)?;
    behind.node.keep_log_to_itself();
    let account = Account::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(weather(seed, &mut behind, &account));
    result.map_err(|error| anyhow!("{error:#}\n--- end of the node's log\n{}\n---", behind.node.log_tail()))
}

async fn weather(seed: u64, behind: &mut Behind, account: &Account) -> Result<String> {
    behind.set(Weather::Rough);
    let crew = Crew::of(&behind.node)?;
    let mut starts = 0;
    for _ in 0..ROUNDS_MOST {
        starts += behind.supervised(workload::busy(&crew, account, seed, WORKERS, ROUGH_FOR)).await?;
        // On a busy machine little passes in a while.
        if behind.faults() >= FAULTS_LEAST {
            break;
        }
    }
    behind.set(Weather::Fair);
    behind.quiet().await?;
    behind.recovered().await?;
    let user = behind.node.client("user")?;
    account.compare(&user).await.context("after the faults")?;
    let report = verified(behind).await?;
    behind.node.stop()?;
    behind.node.start()?;
    account.compare(&behind.node.client("user")?).await.context("after a new start")?;
    let (faults, acknowledged) = (behind.faults(), account.acknowledged());
    ensure!(faults > 0, "the weather was not rough");
    Ok(format!("seed {seed}: {faults} faults, {acknowledged} files acknowledged, {starts} starts, {report}"))
}

/// Verify finds nothing, but for data that came when nobody waited for it any more: it has no attr and is not shown, and
/// nothing removes it by itself.
async fn verified(behind: &Behind) -> Result<Value> {
    let admin = behind.node.client("admin")?;
    let report = job::run(&admin, "/api/v1/admin/cache/verify", Some(&json!({"deep": true}))).await?;
    let late = behind.store.as_ref().map_or_else(Vec::new, |store| store.late());
    let writes = |told: &&String| {
        (told.starts_with("PUT ") || told.starts_with("POST "))
            && !told.contains(".attr.json")
            && !told.contains("/.element/")
    };
    let late = late.iter().filter(writes).count() as u64;
    for (name, found) in report.as_object().context("a report")? {
        let found = found.as_u64().unwrap_or_default();
        let allowed = match name.as_str() {
            "orphan_data" => late,
            "files" | "bytes" | "duration_ms" => continue,
            _ => 0,
        };
        ensure!(found <= allowed, "verify found {name}: {found} (data that came late: {late}): {report}");
    }
    Ok(report)
}
