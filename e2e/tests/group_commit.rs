//! Throughput by sharing: operations that wait together share transactions of the catalog and syncs of folders.

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use storage_element_e2e::{Client, Content, Metrics, Setup, Upload};

const CLIENTS: u32 = 16;
const FILES_EACH: u32 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_share_transactions_and_folder_syncs() -> Result<()> {
    let node = Setup::new().start()?;
    let client = node.client("user")?;
    // The hour folder and its parents are made and synced before counting.
    send(&client, 0, 1).await?;
    let before = client.metrics().await?;
    try_join_all((1..=CLIENTS).map(|number| send(&client, number, FILES_EACH))).await?;
    let after = client.metrics().await?;

    let files = f64::from(CLIENTS * FILES_EACH);
    let transactions = difference(&before, &after, "storage_element_catalog_transactions_total")?;
    let syncs = difference(&before, &after, "storage_element_folder_syncs_total")?;
    println!("{files} files took {transactions} catalog transactions and {syncs} folder syncs");
    // Alone each file takes two transactions (intent, commit) and one sync of its folder.
    ensure!(transactions > 0.0 && syncs > 0.0, "nothing was counted");
    ensure!(transactions <= files / 2.0, "{files} files took {transactions} catalog transactions");
    ensure!(syncs <= files / 2.0, "{files} files took {syncs} folder syncs");
    Ok(())
}

async fn send(client: &Client, number: u32, files: u32) -> Result<()> {
    for file in 0..files {
        let content = Content::Generated { seed: u64::from(number * 1_000 + file), size: 4096 };
        client.upload(&Upload::new(format!("{number}-{file}.bin"), content)).await?.expect(201)?;
    }
    Ok(())
}

fn difference(before: &Metrics, after: &Metrics, name: &str) -> Result<f64> {
    let value = |metrics: &Metrics| metrics.sum(name).with_context(|| format!("/metrics has no {name}"));
    Ok(value(after)? - value(before)?)
}
