//! Whatever is asked of a node in whichever mode, its OpenAPI document has foretold the answer, and it is no 5xx.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use storage_element_e2e::{InMode, Node, Tokens};

/// How long the nodes are asked in each mode and role, in seconds.
const SECONDS: u32 = 15;

/// What would take the other routes with it, and so is asked last and alone.
const CHANGE_MODE: &str = "changeMode";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_in_the_document() -> Result<()> {
    for mode in InMode::ALL {
        let place = InMode::start(mode).await?;
        let asked = &place;
        std::thread::scope(|scope| {
            let roles = ["", "user", "operator", "admin"];
            let running =
                roles.map(|role| scope.spawn(move || fuzz(asked, role, ["--exclude-operation-id", CHANGE_MODE])));
            running.into_iter().try_for_each(|role| role.join().map_err(|_| anyhow!("a thread panicked"))?)
        })?;
        fuzz(&place, "admin", ["--include-operation-id", CHANGE_MODE])?;
        ensure!(place.node.is_ready(), "{mode}: the node is not ready after all that:\n{}", place.node.log_tail());
    }
    Ok(())
}

fn fuzz(place: &InMode, role: &str, options: [&str; 2]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis/run.sh");
    let token = if role.is_empty() { String::new() } else { Tokens::shared().role(role) };
    let node: &Node = &place.node;
    let output = Command::new(&script)
        .arg(node.url())
        .arg(SECONDS.to_string())
        .args(options)
        .env("TOKEN", token)
        .output()
        .with_context(|| format!("{} could not be run", script.display()))?;
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "mode {}, role {role:?}:\n{said}\n{errors}\n{}", place.mode, node.log_tail());
    Ok(())
}
