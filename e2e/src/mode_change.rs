//! A change of mode as an orchestrator makes it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{Answer, Client};

/// How long a change may take to be prepared.
const PATIENCE: Duration = Duration::from_secs(25);

/// Prepares the change `step-1` to `to` until it is prepared, then commits it with a report. `put` sends one request.
/// The last answer; `None` when the node is gone.
///
/// # Errors
/// When it is not prepared in time.
pub async fn change_mode(
    put: impl AsyncFn(&Value) -> Result<Answer>,
    to: &str,
    attempt: u64,
) -> Result<Option<Answer>> {
    let begun = Instant::now();
    let mut wish = json!({"mode": to, "phase": "prepare", "transition_id": "step-1", "attempt": attempt});
    while let Ok(answer) = put(&wish).await {
        if answer.status == 503 && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let said = answer.json()?;
        if wish["phase"] == "commit" || answer.status != 200 || said["mode"] == to {
            return Ok(Some(answer));
        }
        if said["phase"] == "prepared" {
            wish["phase"] = "commit".into();
            wish["report"] = json!({"files": 3, "attempt": attempt});
        }
        ensure!(begun.elapsed() < PATIENCE, "the mode change is not prepared: {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(None)
}

/// Sends one request about the mode to a node's public port.
///
/// # Errors
/// When no whole answer comes.
pub async fn put_mode(admin: &Client, wish: &Value) -> Result<Answer> {
    admin.send_json("PUT", "/api/v1/admin/mode", wish).await
}
