//! A node that ends with interrupted operations, one of each kind, for its next start to settle.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::replicas::role;
use crate::{Client, Content, Ledger, Make, Node, Upload};

/// Three operations that wait behind their intents, and an upload that kills the node behind its commit point: the next
/// start has each to settle, the first three by undoing, the last by redoing.
const WAITING: &str = "upload.after_intent=1*sleep(60000);update.after_intent=1*sleep(60000);\
                       delete.after_intent=1*sleep(60000)";
/// `abort` kills the process from inside, so that nothing of it runs any more.
const SIGKILL: i32 = 9;
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts `node`, which has fail points and does not run, and lets it kill itself amid an upload, a change of the file
/// `to-change` and a deletion of `to-delete`, behind the commit point of another upload.
///
/// # Errors
/// When it does not come to that.
pub async fn leave_unsettled(node: &mut Node, make: Make, ledger: &mut Ledger) -> Result<()> {
    let committed = if make.is_local() { "local.after_rename_attr" } else { "s3.after_put_attr" };
    node.set_env("FAILPOINTS", &format!("{WAITING};{committed}=1*return(abort)"));
    node.spawn()?;
    writes(node).await?;
    let (user, operator, admin) = (node.client("user")?, node.client("operator")?, node.client("admin")?);
    let (changed, deleted) = (ledger.id("to-change")?, ledger.id("to-delete")?);
    let (waiting, last) = (file("waiting"), file("last"));
    let patch = json!({"description": "unsettled"});
    let (waited, described, gone, killed) =
        tokio::join!(user.upload(&waiting), user.patch(&changed, &patch), operator.delete(&deleted), async {
            if let Err(error) = three_wait(&admin).await {
                println!("{error:#}");
            }
            user.upload(&last).await
        });
    ledger.note_upload("waiting", waiting.content().sha256()?, waited.ok().as_ref())?;
    ledger.note_description("to-change", "unsettled", described.ok().as_ref())?;
    ledger.note_deletion("to-delete", gone.ok().as_ref())?;
    ledger.note_upload("last", last.content().sha256()?, killed.ok().as_ref())?;
    let died = tokio::task::block_in_place(|| node.wait(Duration::from_secs(5)))?;
    let died = died.context("the node did not kill itself")?;
    ensure!(died.signal() == Some(SIGKILL), "the node did not kill itself: {died}");
    node.unset_env("FAILPOINTS");
    Ok(())
}

/// Waits until the node takes writes.
async fn writes(node: &Node) -> Result<()> {
    let begun = Instant::now();
    // Without a Lease a node that is ready is the only one.
    while !matches!(role(node).await.as_deref(), Some("master" | "standalone"))
        || !tokio::task::block_in_place(|| node.is_ready())
    {
        ensure!(begun.elapsed() < PATIENCE, "the node takes no writes:\n{}", node.log_tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Waits until three operations have announced themselves and gone no further.
async fn three_wait(admin: &Client) -> Result<()> {
    let begun = Instant::now();
    loop {
        let rows = admin.all("/api/v1/admin/wal", &[]).await?;
        if rows.iter().filter(|row| row["status"] == "PENDING").count() >= 3 {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "of three operations these have begun: {rows:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn file(label: &str) -> Upload {
    Upload::new(format!("{label}.txt"), Content::bytes(label.repeat(50))).field("version", label)
}
