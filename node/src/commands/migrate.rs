//! `migrate`: the catalog's schema brought up to date, with no node running.

use std::process::ExitCode;

use super::{CommandResult, opening, runtime};
use crate::config::Config;

pub(super) fn run(config: &Config) -> CommandResult {
    runtime()?.block_on(async {
        let locked = opening::lock(config).await?;
        let migrated = locked.catalog.migrate().await;
        locked.catalog.close().await;
        migrated.map_err(opening::OpeningError::from)
    })?;
    println!("the catalog's schema is up to date");
    Ok(ExitCode::SUCCESS)
}
