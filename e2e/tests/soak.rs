//! Mixed work of 32 clients: nothing fails, every byte is right, the totals are exact, memory stays flat.
//!
//! 20 seconds; `SE_SOAK_SECONDS=60` for a minute, or as long as you like.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use rand::seq::IndexedRandom;
use serde_json::json;
use storage_element_e2e::planted::{Planted, plant_many};
use storage_element_e2e::{Answer, Client, Content, Node, Setup, Upload, job};

const CLIENTS: u64 = 32;
/// Files there from the start, with which the caches of the node fill: these are bounded, and filling them is no leak.
const PLANTED: u32 = 3000;
/// All clients are there and at work by then.
const WARM_UP: Duration = Duration::from_secs(3);
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// Files each client keeps: above that it deletes, so that the work stays the same from the first minute to the last.
const KEPT: usize = 20;
/// Memory in the last quarter, in percent of that in the first.
const GROWTH_PERCENT: u64 = 115;

/// A file as its client knows it.
struct Known {
    id: String,
    sha256: String,
    size: u64,
    description: Option<String>,
}

/// One client and all that it knows.
struct Worker {
    user: Client,
    operator: Client,
    number: u64,
    sent: u64,
    deleted: u64,
    files: Vec<Known>,
}

impl Worker {
    async fn work(mut self, until: Instant) -> Result<Self> {
        while Instant::now() < until {
            let act = rand::random_range(0..100);
            let index = (!self.files.is_empty()).then(|| rand::random_range(0..self.files.len()));
            match (act, index) {
                (0..15, Some(index)) => self.patch(index).await.context("patch")?,
                (15..40, Some(index)) => self.look(index).await.context("metadata")?,
                (40..60, Some(index)) => self.download(index).await.context("download")?,
                (60..66, _) => drop(seen(&self.user.get("/api/v1/files?limit=20").await.context("list")?, 200)?),
                (66..72, Some(index)) => self.search(index).await.context("search")?,
                (72.., Some(index)) if self.files.len() >= KEPT => self.delete(index).await.context("delete")?,
                _ => self.upload().await.context("upload")?,
            }
        }
        Ok(self)
    }

    async fn upload(&mut self) -> Result<()> {
        let size = *[0, 1, 700, 20_000, 300_000].choose(&mut rand::rng()).unwrap_or(&1);
        let content = Content::Generated { seed: self.number << 32 | self.sent, size };
        let upload = Upload::new(format!("soak-{}-{}.bin", self.number, self.sent), content.clone());
        let answer = self.user.upload(&upload).await?;
        self.sent += 1;
        let id = seen(&answer, 201)?.file_id()?;
        self.files.push(Known { id, sha256: content.sha256()?, size, description: None });
        Ok(())
    }

    async fn patch(&mut self, index: usize) -> Result<()> {
        let description = format!("changed {}", rand::random::<u32>());
        let file = &mut self.files[index];
        seen(&self.user.patch(&file.id, &json!({ "description": description })).await?, 200)?;
        file.description = Some(description);
        Ok(())
    }

    async fn look(&self, index: usize) -> Result<()> {
        let file = &self.files[index];
        let metadata = seen(&self.user.metadata(&file.id).await?, 200)?.json()?;
        let right = metadata["checksum"] == file.sha256.as_str()
            && metadata["file_size"] == file.size
            && metadata["description"].as_str() == file.description.as_deref();
        ensure!(right, "{metadata} is not {:?}, {} bytes", file.description, file.size);
        Ok(())
    }

    async fn download(&self, index: usize) -> Result<()> {
        let file = &self.files[index];
        let (status, sha256, size) = self.user.download_digest(&file.id).await?;
        ensure!(
            (status, &sha256, size) == (200, &file.sha256, file.size),
            "{} came as {status}, {size} bytes",
            file.id
        );
        Ok(())
    }

    /// The one file with a description nobody else's has.
    async fn search(&self, index: usize) -> Result<()> {
        let file = &self.files[index];
        let Some(description) = &file.description else { return Ok(()) };
        let q = format!("\"{description}\"");
        let found = seen(&self.user.query("/api/v1/files/search", &[("q", &q)]).await?, 200)?.json()?;
        let items = found["items"].as_array().context("no items")?;
        ensure!(items.iter().any(|item| item["file_id"] == file.id.as_str()), "{q} was not found: {found}");
        Ok(())
    }

    async fn delete(&mut self, index: usize) -> Result<()> {
        let file = self.files.swap_remove(index);
        seen(&self.operator.delete(&file.id).await?, 204)?;
        self.deleted += 1;
        seen(&self.user.metadata(&file.id).await?, 404)?;
        Ok(())
    }
}

/// The answer, if it has the only right status.
fn seen(answer: &Answer, status: u16) -> Result<&Answer> {
    ensure!(answer.status == status, "expected {status}, got {answer}");
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_work_of_32_clients() -> Result<()> {
    let seconds = std::env::var("SE_SOAK_SECONDS").ok().map(|text| text.parse()).transpose()?.unwrap_or(20);
    let node = Setup::new().start()?;
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    let planted = fill_caches(&node).await?;
    // Those who asked whether the node is ready before it was.
    let failures_before = failures(&user).await?;
    let until = Instant::now() + WARM_UP + Duration::from_secs(seconds);
    let workers: Vec<_> = (0..CLIENTS)
        .map(|number| Worker {
            user: user.clone(),
            operator: operator.clone(),
            number,
            sent: 0,
            deleted: 0,
            files: Vec::new(),
        })
        .map(|worker| tokio::spawn(worker.work(until)))
        .collect();
    let memory = sample(&node, until).await?;
    let mut done = Vec::new();
    for worker in workers {
        done.push(worker.await??);
    }
    totals_are_exact(&user, &planted, &done).await?;
    let failed = failures(&user).await? - failures_before;
    ensure!(failed == 0.0, "{failed} requests were answered 5xx");
    is_flat(&memory)
}

/// How many requests were answered 5xx, as the node counts.
async fn failures(user: &Client) -> Result<f64> {
    Ok(user.metrics().await?.sum_where("storage_element_http_requests_total", "status=\"5"))
}

/// Puts many files on the volume, makes the cache of them, and reads all of them, some at a time.
async fn fill_caches(node: &Node) -> Result<Vec<Planted>> {
    let (user, admin) = (node.client("user")?, node.client("admin")?);
    let first = user.upload(&Upload::new("first.txt", Content::bytes("first"))).await?.expect(201)?.json()?;
    let template = node.storage().attr_of(&first).await?;
    let planted = plant_many(node.storage(), &template, PLANTED).await?;
    let first = first["file_id"].as_str().context("no id")?;
    node.client("operator")?.delete(first).await?.expect(204)?;
    job::run(&admin, "/api/v1/admin/cache/rebuild", None).await?;
    try_join_all((0..8).map(|_| user.all("/api/v1/files", &[]))).await?;
    let user = &user;
    let reads = planted.chunks(PLANTED as usize / 16 + 1).map(|files| async move {
        for file in files {
            user.metadata(&file.file_id).await?.expect(200)?;
        }
        Ok::<_, anyhow::Error>(())
    });
    try_join_all(reads).await?;
    Ok(planted)
}

async fn totals_are_exact(user: &Client, planted: &[Planted], workers: &[Worker]) -> Result<()> {
    let all = || workers.iter().flat_map(|worker| &worker.files);
    let deleted: u64 = workers.iter().map(|worker| worker.deleted).sum();
    println!("{} files kept, {deleted} deleted", all().count());
    ensure!(deleted > 0 && all().count() > 0, "too little was done to prove anything");
    let info = user.get("/api/v1/info").await?.expect(200)?.json()?;
    let expected = json!({"active": all().count() + planted.len(), "deleted": deleted + 1, "pending_wal": 0});
    ensure!(info["files"] == expected, "{} instead of {expected}", info["files"]);
    let mut listed: Vec<_> = user.all("/api/v1/files", &[]).await?.iter().map(|item| item["file_id"].clone()).collect();
    let known = all().map(|file| &file.id).chain(planted.iter().map(|file| &file.file_id));
    let mut known: Vec<_> = known.map(|id| json!(id)).collect();
    listed.sort_by_key(ToString::to_string);
    known.sort_by_key(ToString::to_string);
    ensure!(listed == known, "the list has {} files, the clients know {}", listed.len(), known.len());
    Ok(())
}

/// Resident memory in KiB after the warm-up, as long as the work goes on.
async fn sample(node: &Node, until: Instant) -> Result<Vec<u64>> {
    tokio::time::sleep(WARM_UP).await;
    let mut samples = Vec::new();
    while Instant::now() < until {
        samples.push(node.memory_kib("VmRSS")?);
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
    Ok(samples)
}

fn is_flat(samples: &[u64]) -> Result<()> {
    let quarter = samples.len() / 4;
    ensure!(quarter > 0, "too few samples: {samples:?}");
    let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len() as u64;
    let (first, last) = (mean(&samples[..quarter]), mean(&samples[samples.len() - quarter..]));
    println!("memory: {first} KiB in the first quarter, {last} KiB in the last: {samples:?}");
    ensure!(last * 100 <= first * GROWTH_PERCENT, "memory grew from {first} to {last} KiB");
    Ok(())
}
