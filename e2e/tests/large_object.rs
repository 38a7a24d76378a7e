//! A large file to and from an S3 store: as a multipart upload in flat memory, and about as fast as the store gives it.
//!
//! 1 GiB and the node as it is built for tests; `make large` for five, and a node as it is released.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::presigning::PresigningConfig;
use storage_element_e2e::{Bucket, Content, Make, Node, Storage, Tokens, Upload, binaries};

const GIB: u64 = 1 << 30;
/// Resident memory may never have been above this.
const LIMIT_KIB: u64 = 96 * 1024;
/// A download through a released node, beside what the AWS CLI gets from the same store. `curl` gets more: on two cores
/// that node, store and client share, a store that sends its file without looking at it is faster than any way with a
/// stop between.
const BAR: f64 = 0.8;
/// A download through a node that is built for debugging, beside `curl`: that it does not collapse.
const BAR_UNOPTIMISED: f64 = 0.15;
/// Times each way is measured, one after the other in turn.
const ROUNDS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goes_in_parts_and_flat_memory_and_comes_at_the_stores_pace() -> Result<()> {
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

    let (store, own) = (presigned(bucket, path).await?, format!("{}/api/v1/files/{id}/download", node.url()));
    let token = Tokens::shared().role("user");
    let released = binaries::are_optimised();
    let (mut bare, mut through, mut cli) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        bare = bare.min(tokio::task::block_in_place(|| fetched(&store, None, content.size()))?);
        through = through.min(tokio::task::block_in_place(|| fetched(&own, Some(&token), content.size()))?);
        if released {
            cli = cli.min(tokio::task::block_in_place(|| by_the_aws_cli(bucket, path, content.size()))?);
        }
    }
    memory_is_flat(&node, "the downloads")?;
    let speed = |took: Duration| rate(content.size(), took);
    println!("download: {} through the node, {} by curl from the store", speed(through), speed(bare));
    let (beside, bar) = if released {
        println!("download: {} by the AWS CLI from the store", speed(cli));
        (cli, BAR)
    } else {
        (bare, BAR_UNOPTIMISED)
    };
    let ratio = beside.as_secs_f64() / through.as_secs_f64();
    ensure!(ratio >= bar, "{} through the node, {} without it: {ratio:.2}", speed(through), speed(beside));
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

/// How long it takes `curl` to get something and throw it away: the same bare client for both ways.
fn fetched(url: &str, token: Option<&str>, expected: u64) -> Result<Duration> {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "/dev/null"]);
    curl.args(["--write-out", "%{size_download}"]);
    if let Some(token) = token {
        curl.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let begun = Instant::now();
    let output = curl.arg(url).output().context("curl could not be run")?;
    let took = begun.elapsed();
    ensure!(output.status.success(), "curl: {}", String::from_utf8_lossy(&output.stderr));
    let size: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    ensure!(size == expected, "{size} bytes of {expected} came");
    Ok(took)
}

/// How long the AWS CLI takes to get the object from the store.
fn by_the_aws_cli(bucket: &Bucket, path: &str, expected: u64) -> Result<Duration> {
    let (id, secret) = bucket.credentials();
    let run = |arguments: &[&str]| {
        let mut aws = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("aws/run.sh"));
        aws.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret).env("AWS_DEFAULT_REGION", "us-east-1");
        aws.args(["--endpoint-url", bucket.endpoint()]).args(arguments);
        aws
    };
    // The first time it is installed.
    let key = bucket.key(path);
    let head = run(&["s3api", "head-object", "--bucket", bucket.name(), "--key", &key]).output()?;
    let said = String::from_utf8_lossy(&head.stdout).into_owned() + &String::from_utf8_lossy(&head.stderr);
    ensure!(head.status.success() && said.contains(&expected.to_string()), "the AWS CLI says {said}");
    let from = format!("s3://{}/{key}", bucket.name());
    let begun = Instant::now();
    let status = run(&["s3", "cp", "--quiet", &from, "-"]).stdout(Stdio::null()).status()?;
    let took = begun.elapsed();
    ensure!(status.success(), "the AWS CLI ended with {status}");
    Ok(took)
}

/// Where anyone can get the object from the store itself, for a while.
async fn presigned(bucket: &Bucket, path: &str) -> Result<String> {
    let asked = bucket.client().get_object().bucket(bucket.name()).key(bucket.key(path));
    let signed = asked.presigned(PresigningConfig::expires_in(Duration::from_hours(1))?).await?;
    Ok(signed.uri().to_owned())
}

fn rate(bytes: u64, time: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
    let rate = bytes as f64 / f64::from(1 << 20) / time.as_secs_f64();
    format!("{rate:.1} MiB/s")
}
