//! What has to hold after every crash and every stop.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Ledger, Node};

/// How long settling may take: it runs at the start and every ten seconds after.
const SETTLING_PATIENCE: Duration = Duration::from_secs(30);

/// All of it, for a running node: the log of intents is settled; after a clean stop nothing is left behind, data and
/// attr files are pairs, `verify --deep` finds nothing; and after a new start every file is as the ledger says.
/// Leaves the node running.
///
/// # Errors
/// When anything of it does not hold.
pub async fn everything(node: &mut Node, ledger: &Ledger) -> Result<()> {
    wal_is_settled(node).await?;
    ledger.compare(&node.client("user")?).await.context("before the stop")?;
    node.stop()?;
    storage_is_tidy(node).await?;
    verify_finds_nothing(node)?;
    node.start()?;
    ledger.compare(&node.client("user")?).await.context("after the stop")?;
    Ok(())
}

/// Waits until no transaction is pending or failed.
///
/// # Errors
/// When some still are after half a minute.
pub async fn wal_is_settled(node: &Node) -> Result<()> {
    let (admin, begun) = (node.client("admin")?, Instant::now());
    loop {
        let open = admin.all("/api/v1/admin/wal", &[]).await?;
        if open.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < SETTLING_PATIENCE, "not settled after {SETTLING_PATIENCE:?}: {open:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Checks the storage of a stopped node: nothing staged, nothing in the trash, data and attr files in pairs.
///
/// # Errors
/// When something was left behind.
pub async fn storage_is_tidy(node: &Node) -> Result<()> {
    node.storage().nothing_is_staged().await?;
    node.storage().data_and_attrs_are_pairs().await?;
    Ok(())
}

/// Runs `verify --deep --json` on a stopped node's data and expects no findings. Returns the report.
///
/// # Errors
/// When there are findings, or it cannot be run.
pub fn verify_finds_nothing(node: &Node) -> Result<Value> {
    let output = node.command("verify").args(["--deep", "--json"]).output()?;
    let (report, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "verify --deep ended with {}: {report}\n{said}", output.status);
    let report: Value = serde_json::from_str(&report).with_context(|| format!("verify --json wrote {report}"))?;
    Ok(report)
}
