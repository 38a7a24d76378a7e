//! `rebuild`: the catalog made again from the attr files, with no node running.

use std::process::ExitCode;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{CommandResult, opening, runtime, terminal};
use crate::config::Config;
use crate::jobs::Progress;

pub(super) fn run(config: &Config) -> CommandResult {
    let report = runtime()?.block_on(async {
        let opened = opening::open(config, opening::lock(config).await?, &super::metrics()?).await?;
        let (progress, cancel) = (Arc::new(Progress::default()), CancellationToken::new());
        let work = opened.rebuild(&progress, &cancel);
        let report = terminal::watched("rebuilding", Arc::clone(&progress), cancel.clone(), work).await;
        opened.rooms.catalog.close().await;
        opened.rooms.storage.end_term(opened.term()).await.map_err(opening::OpeningError::from)?;
        Ok::<_, super::CommandError>(report?)
    })?;
    println!(
        "{} files, {} bytes cached in {} ms; {} rows removed, {} corrected, {} attr files cannot be read",
        report.files, report.bytes, report.duration_ms, report.removed_rows, report.corrected_rows, report.damaged_attr
    );
    Ok(ExitCode::SUCCESS)
}
