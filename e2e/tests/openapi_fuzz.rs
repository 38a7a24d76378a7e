//! Whatever is asked of a node in whichever mode, its OpenAPI document has foretold the answer, and it is no 5xx.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use storage_element_e2e::{InMode, Make, Node, Tokens};

/// How long the nodes are asked in each mode and role, in seconds.
const SECONDS: u32 = 12;

/// On which make each mode is asked: the one where most can be done on what is used most.
const MAKES: [Make; 4] = [Make::PostgresS3, Make::SqliteLocal, Make::PostgresLocal, Make::SqliteS3];

/// What would take the other routes with it, and so is asked last and alone.
const CHANGE_MODE: &str = "changeMode";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_in_the_document() -> Result<()> {
    for (mode, make) in InMode::ALL.into_iter().zip(MAKES) {
        let place = InMode::start(make, mode).await?;
        let asked = &place;
        std::thread::scope(|scope| {
            let roles = ["", "user", "operator", "admin"];
            let running = roles.map(|role| scope.spawn(move || fuzz(asked, role, "", "--exclude-operation-id")));
            running.into_iter().try_for_each(|role| role.join().map_err(|_| anyhow!("a thread panicked"))?)
        })?;
        // A change that one request has prepared keeps those after it out: that 503 is the promise.
        fuzz(&place, "admin", "503", "--include-operation-id")?;
        only_prepared_changes_refuse(&place)?;
        ensure!(place.node.is_ready(), "{mode}: the node is not ready after all that:\n{}", place.node.log_tail());
    }
    Ok(())
}

/// Says of every 5xx in the log that it was a prepared change that refused.
fn only_prepared_changes_refuse(place: &InMode) -> Result<()> {
    for line in place.node.log().lines().filter(|line| line.contains("request failed")) {
        let line: Value = serde_json::from_str(line)?;
        ensure!(line.to_string().contains("TRANSITION_IN_PROGRESS"), "mode {}: {line}", place.mode);
    }
    Ok(())
}

/// Asks everything but, or nothing but, changes of the mode.
fn fuzz(place: &InMode, role: &str, expected: &str, which: &str) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis/run.sh");
    let token = if role.is_empty() { String::new() } else { Tokens::shared().role(role) };
    let node: &Node = &place.node;
    // Where a file can be deleted, the file of the others is not for those who may.
    let is_safe = place.mode != "edit" || role == "user";
    let file_id = if is_safe { place.file_id.as_str() } else { "" };
    let output = Command::new(&script)
        .arg(node.url())
        .arg(SECONDS.to_string())
        .args([which, CHANGE_MODE])
        .env("EXPECTED", expected)
        .env("FILE_ID", file_id)
        .env("TOKEN", token)
        .output()
        .with_context(|| format!("{} could not be run", script.display()))?;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "mode {}, role {role:?}:\n{said}\n{errors}\n{}", place.mode, node.log_tail());
    Ok(())
}
