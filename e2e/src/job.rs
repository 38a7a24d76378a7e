//! Long work of a node, begun over the API and waited for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Client;

const PATIENCE: Duration = Duration::from_mins(5);

/// Begins the job at `path` (`/api/v1/admin/…`), with a body or none, and returns its URL.
///
/// # Errors
/// When it is not answered with 202.
pub async fn begin(admin: &Client, path: &str, body: Option<&Value>) -> Result<String> {
    let answer = match body {
        Some(body) => admin.send_json("POST", path, body).await?,
        None => admin.send("POST", path, &[], None).await?,
    };
    let answer = answer.expect(202)?;
    Ok(answer.header("location").with_context(|| format!("no Location: {answer}"))?.to_owned())
}

/// The job as it is now.
///
/// # Errors
/// When it is not answered with 200.
pub async fn look(admin: &Client, url: &str) -> Result<Value> {
    admin.get(url).await?.expect(200)?.json()
}

/// Waits until the job has ended well, and returns its report.
///
/// # Errors
/// When it ended otherwise, or goes on after five minutes.
pub async fn succeeded(admin: &Client, url: &str) -> Result<Value> {
    let begun = Instant::now();
    loop {
        let mut job = look(admin, url).await?;
        if job["state"] != "running" {
            ensure!(job["state"] == "succeeded", "the job ended as {job}");
            return Ok(job["report"].take());
        }
        ensure!(begun.elapsed() < PATIENCE, "after {PATIENCE:?} the job still runs: {job}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Begins a job, waits until it has ended well, and returns its report.
///
/// # Errors
/// When it cannot begin or does not end well.
pub async fn run(admin: &Client, path: &str, body: Option<&Value>) -> Result<Value> {
    succeeded(admin, &begin(admin, path, body).await?).await
}
