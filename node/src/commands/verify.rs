//! `verify`: every file, its data, its attr and its row, with no node running.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{CommandError, CommandResult, FINDINGS, opening, runtime, terminal};
use crate::config::Config;
use crate::jobs::{Finding, Progress, VerifyOptions, VerifyReport, verify};
use crate::settling::KeyLocks;

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// Also hash every file's data again
    #[arg(long)]
    deep: bool,
    /// Repair what the attr files tell: rows of the catalog. No data file is ever removed
    #[arg(long)]
    repair: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, args: &VerifyArgs) -> CommandResult {
    let report = runtime()?.block_on(look(config, args))?;
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(|error| CommandError::Other(error.to_string()))?;
        println!("{json}");
    } else {
        print(&report);
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

async fn look(config: &Config, args: &VerifyArgs) -> Result<VerifyReport, CommandError> {
    let locked = opening::lock(config).await?;
    // Held until the end, with the lock.
    let (storage, catalog) = (Arc::clone(&locked.storage), Arc::clone(&locked.catalog));
    let _election = Arc::clone(&locked.election);
    let repair = if args.repair {
        Some(opening::open(config, locked, &super::metrics()?).await?.term())
    } else {
        catalog.migrate().await.map_err(opening::OpeningError::from)?;
        None
    };
    let options = VerifyOptions { deep: args.deep, repair, bytes_per_second: 0, since: None };
    let (progress, cancel) = (Arc::new(Progress::default()), CancellationToken::new());
    let mut tell = |finding: Finding| eprintln!("{}: {}", finding.path, finding.message);
    // No node runs: nobody else writes.
    let alone = KeyLocks::default();
    let work = verify(&storage, &catalog, &alone, options, &progress, &cancel, &mut tell);
    let report = terminal::watched("verifying", Arc::clone(&progress), cancel.clone(), work).await;
    catalog.close().await;
    if let Some(term) = repair {
        storage.end_term(term).await.map_err(opening::OpeningError::from)?;
    }
    Ok(report?)
}

fn print(report: &VerifyReport) {
    println!("{} files, {} bytes, verified in {} ms", report.files, report.bytes, report.duration_ms);
    let counts = [
        (report.missing_data, "attr files whose data is not there"),
        (report.size_mismatch, "data files of another size than described"),
        (report.checksum_mismatch, "data files with another SHA-256 than described"),
        (report.missing_row, "attr files the catalog does not know"),
        (report.stale_row, "rows that say something else than their attr file"),
        (report.row_without_attr, "rows without an attr file"),
        (report.orphan_data, "data files nobody knows"),
        (report.damaged_attr, "attr files that cannot be read"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        println!("{count} {what}");
    }
    match (report.findings(), report.repaired) {
        (0, _) => println!("clean"),
        (found, 0) => println!("{found} findings; rows are repaired by `verify --repair`"),
        (found, repaired) => println!("{found} findings, {repaired} repaired"),
    }
}
