//! Clients that repeat what is answered with 503, and are told nothing worse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use storage_element_e2e::{Answer, Client, Ledger, Replicas, Tokens};
use tokio::task::JoinHandle;

use crate::file;

/// At each node.
const CLIENTS: usize = 4;
const PATIENCE: Duration = Duration::from_mins(1);

/// What was accepted: label, checksum, answer.
type Accepted = Vec<(String, String, Answer)>;

/// Clients at every node, writing.
pub struct Patient {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Result<Accepted>>>,
}

impl Patient {
    /// Begins to write at every node. Of them `leaving` will not be there any more in the end.
    pub fn begin(replicas: &Replicas, leaving: usize, label: &str) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        for (number, node) in replicas.nodes.iter().enumerate() {
            for writer in 0..CLIENTS {
                let client = Client::of_one_request(&node.url(), Some(Tokens::shared().role("user")))?;
                let (stop, label) = (Arc::clone(&stop), format!("{label}-node-{number}-writer-{writer}"));
                let leaves = number == leaving;
                clients.push(tokio::spawn(async move { writes(&client, &label, leaves, &stop).await }));
            }
        }
        Ok(Self { stop, clients })
    }

    /// Ends, and notes what was accepted.
    ///
    /// # Errors
    /// When any request was answered with anything but yes or 503, or broke off.
    pub async fn end(self, ledger: &mut Ledger) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            for (label, sha256, answer) in client.await?? {
                ledger.note_upload(&label, sha256, Some(&answer))?;
            }
        }
        Ok(())
    }
}

/// Writes one file after the other until told to stop, or until a node that `leaves` is not there any more.
async fn writes(client: &Client, label: &str, leaves: bool, stop: &AtomicBool) -> Result<Accepted> {
    let mut accepted = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let label = format!("{label}-{}", accepted.len());
        let (upload, begun) = (file(&label), Instant::now());
        loop {
            match client.upload(&upload).await {
                Ok(answer) if answer.status == 201 => {
                    accepted.push((label, upload.content().sha256()?, answer));
                    break;
                }
                Ok(answer) => {
                    ensure!(answer.status == 503, "PROMISE BROKEN: {label} was answered {answer}");
                    ensure!(answer.header("retry-after").is_some(), "a 503 without Retry-After: {answer}");
                }
                // Nobody listens any more: whoever runs the cluster has sent clients elsewhere long ago.
                Err(error) if leaves && is_gone(&error) => return Ok(accepted),
                Err(error) => return Err(anyhow!("{label} broke off: {error:#}")),
            }
            ensure!(begun.elapsed() < PATIENCE, "{label} is not accepted");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
    Ok(accepted)
}

fn is_gone(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<reqwest::Error>()).any(reqwest::Error::is_connect)
}
