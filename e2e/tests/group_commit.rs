//! Throughput by sharing: operations that wait together share transactions of the catalog and syncs of folders.

use anyhow::{Context, Result, anyhow, ensure};
use storage_element_e2e::{Make, Metrics, Node, Tokens, Wire, multipart, on_every_make};

const CLIENTS: u32 = 16;
const FILES_EACH: u32 = 60;

async fn sixteen_clients_share_transactions_and_folder_syncs(make: Make) -> Result<()> {
    let node = make.setup().setting("logging.level", "warn").start()?;
    // The hour folder and its parents are made and synced before counting.
    send(&node, 1)?;
    let before = node.client("user")?.metrics().await?;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| send(&node, FILES_EACH))).collect();
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| anyhow!("a client panicked"))?)
    })?;
    let after = node.client("user")?.metrics().await?;

    let files = f64::from(CLIENTS * FILES_EACH);
    let transactions = difference(&before, &after, "storage_element_catalog_transactions_total")?;
    println!("{files} files took {transactions} catalog transactions");
    // Alone each file takes two transactions (intent, commit).
    ensure!(transactions > 0.0, "nothing was counted");
    // A server works at several at once, and files that go to a bucket come apart on their way: less waits together.
    let most = if make == Make::SqliteLocal { 0.5 } else { 1.7 };
    ensure!(transactions <= files * most, "{files} files took {transactions} catalog transactions");
    if make.is_local() {
        // Alone each file takes one sync of its folder.
        let syncs = difference(&before, &after, "storage_element_folder_syncs_total")?;
        println!("and {syncs} folder syncs");
        ensure!(syncs > 0.0 && syncs <= files / 2.0, "{files} files took {syncs} folder syncs");
    }
    Ok(())
}

/// A client on a bare socket: sixteen of them must wait for the disk, not for a processor.
fn send(node: &Node, files: u32) -> Result<()> {
    let request = multipart::request("small.bin", &[b'x'; 4096], &Tokens::shared().role("user"));
    let mut wire = Wire::connect(node.address())?;
    for _ in 0..files {
        wire.send(&request)?;
        let head = wire.head()?.context("closed without an answer")?;
        ensure!(head.status == 201, "an upload was answered {}", head.text);
        wire.skip_body(head.content_length)?;
    }
    Ok(())
}

fn difference(before: &Metrics, after: &Metrics, name: &str) -> Result<f64> {
    let value = |metrics: &Metrics| metrics.sum(name).with_context(|| format!("/metrics has no {name}"));
    Ok(value(after)? - value(before)?)
}

on_every_make!(sixteen_clients_share_transactions_and_folder_syncs);
