//! A large file to and from an S3 store: as a multipart upload in flat memory, and about as fast as the store gives it.
//!
//! 1 GiB; `LARGE_GIB=5` for five.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use storage_element_e2e::{Bucket, Client, Content, Make, Node, Storage, Upload};

const GIB: u64 = 1 << 30;
/// Resident memory may never have been above this.
const LIMIT_KIB: u64 = 96 * 1024;
/// A download through the node, beside one that a bare client gets from the same store.
const BAR: f64 = 0.8;
/// Times each way is measured, one after the other in turn.
const ROUNDS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goes_in_parts_and_flat_memory_and_comes_as_fast_as_a_bare_client_gets_it() -> Result<()> {
    let gib: u64 = std::env::var("LARGE_GIB").ok().map(|text| text.parse()).transpose()?.unwrap_or(1);
    let node = Make::SqliteS3.setup().setting("logging.level", "warn").start()?;
    let client = node.client("user")?;
    let content = Content::Generated { seed: 11, size: gib * GIB };
    let sha256 = content.sha256()?;

    memory_is_flat(&node, "the start")?;
    let begun = Instant::now();
    let sent = client.upload(&Upload::new("large.bin", content.clone())).await?.expect(201)?.json()?;
    println!("upload: {}", rate(content.size(), begun.elapsed()));
    memory_is_flat(&node, "the upload")?;
    ensure!(sent["checksum"] == sha256.as_str(), "another checksum: {sent}");
    let Storage::Bucket(bucket) = node.storage() else { anyhow::bail!("not in a bucket") };
    let path = sent["storage_path"].as_str().context("no path")?;
    let parts = parts(bucket.client(), bucket.name(), &bucket.key(path)).await?;
    ensure!(parts > 1, "it was sent in one piece");
    node.storage().nothing_is_staged().await?;

    let id = sent["file_id"].as_str().context("no id")?;
    let (status, came, size) = client.download_digest(id).await?;
    ensure!(
        (status, size) == (200, content.size()) && came == sha256,
        "it came back different: {status}, {size} bytes"
    );

    let (mut direct, mut through) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        direct = direct.min(fetched(bucket, path, content.size()).await?);
        through = through.min(drained(&client, &format!("/api/v1/files/{id}/download"), content.size()).await?);
    }
    memory_is_flat(&node, "the downloads")?;
    let ratio = direct.as_secs_f64() / through.as_secs_f64();
    let (direct, through) = (rate(content.size(), direct), rate(content.size(), through));
    println!("download: bare {direct}, through the node {through}: {ratio:.2}");
    ensure!(ratio >= BAR, "through the node {through}, bare {direct}: {ratio:.2} is below {BAR}");
    Ok(())
}

fn memory_is_flat(node: &Node, after: &str) -> Result<()> {
    let peak = node.memory_kib("VmHWM")?;
    let (now, code) = (node.memory_kib("RssAnon")?, node.memory_kib("RssFile")?);
    println!("memory after {after}: {peak} KiB at most, now {now} KiB and {code} KiB of the program itself");
    ensure!(peak < LIMIT_KIB, "after {after} memory had peaked at {peak} KiB, the limit is {LIMIT_KIB} KiB");
    Ok(())
}

/// How many parts the store knows the object to have come in, as the end of its entity tag says.
async fn parts(store: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<u32> {
    let head = store.head_object().bucket(bucket).key(key).send().await?;
    let etag = head.e_tag().unwrap_or_default().trim_matches('"').to_owned();
    Ok(etag.rsplit_once('-').and_then(|(_, parts)| parts.parse().ok()).unwrap_or(1))
}

/// How long the object takes to come to a bare client of the store: the SDK, as an application would use it.
async fn fetched(bucket: &Bucket, path: &str, expected: u64) -> Result<Duration> {
    let begun = Instant::now();
    let asked = bucket.client().get_object().bucket(bucket.name()).key(bucket.key(path));
    let (mut body, mut size) = (asked.send().await?.body, 0);
    while let Some(piece) = body.next().await {
        size += piece?.len() as u64;
    }
    ensure!(size == expected, "{size} bytes of {expected} came");
    Ok(begun.elapsed())
}

/// How long a body takes to come. It is thrown away as it comes.
async fn drained(client: &Client, path: &str, expected: u64) -> Result<Duration> {
    let begun = Instant::now();
    let answer = client.request("GET", path)?.send().await?;
    ensure!(answer.status() == 200, "{path} was answered {}", answer.status());
    let (mut body, mut size) = (answer.bytes_stream(), 0);
    while let Some(piece) = body.next().await {
        size += piece?.len() as u64;
    }
    ensure!(size == expected, "{size} bytes of {expected} came");
    Ok(begun.elapsed())
}

fn rate(bytes: u64, time: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
    let rate = bytes as f64 / f64::from(1 << 20) / time.as_secs_f64();
    format!("{rate:.1} MiB/s")
}
