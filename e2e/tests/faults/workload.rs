//! Clients at work while things fail.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use storage_element_e2e::{Client, Content, Node, Upload};

use super::account::{Account, may_fail};

/// How long a client waits for an answer.
const CLIENT_PATIENCE: Duration = Duration::from_secs(25);
/// More than a part of a multipart upload.
const SEVERAL_PARTS: u64 = 8 * 1024 * 1024 + 4096;

/// Clients of a node that may end and be started again meanwhile.
#[derive(Clone)]
pub struct Crew {
    pub user: Client,
    pub operator: Client,
}

impl Crew {
    /// Clients of this node.
    pub fn of(node: &Node) -> Result<Self> {
        Ok(Self { user: node.client("user")?, operator: node.client("operator")? })
    }
}

/// A client with files of its own.
struct Worker<'a> {
    crew: Crew,
    account: &'a Account,
    name: String,
    dice: u64,
    sent: u64,
    /// Files that may be worked on: acknowledged, and not deleted as far as is known.
    files: Vec<String>,
}

impl<'a> Worker<'a> {
    /// A worker whose acts `seed` determines. `name` begins the labels of its files.
    fn new(crew: &Crew, account: &'a Account, name: String, seed: u64) -> Self {
        Self { crew: crew.clone(), account, name, dice: seed | 1, sent: 0, files: Vec::new() }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % end.max(1)
    }

    /// Works until `until`.
    async fn work(&mut self, until: Instant) -> Result<()> {
        while Instant::now() < until {
            let act = self.below(100);
            let file = match usize::try_from(self.below(self.files.len() as u64)) {
                Ok(index) if index < self.files.len() => Some(index),
                _ => None,
            };
            match (act, file) {
                (45..65, Some(index)) => self.describe(index).await?,
                (65..75, Some(index)) => self.delete(index).await?,
                (75..88, Some(index)) => self.see(index).await?,
                (88.., Some(index)) => self.download(index).await?,
                _ => self.upload().await?,
            }
        }
        Ok(())
    }

    async fn upload(&mut self) -> Result<()> {
        let sizes = [0, 1, 700, 20_000, 300_000, 1_200_000, 700, 20_000, 300_000, SEVERAL_PARTS];
        let size = sizes[usize::try_from(self.below(sizes.len() as u64))?];
        let label = format!("{}-{}", self.name, self.sent);
        let content = Content::Generated { seed: self.dice, size };
        self.sent += 1;
        let sha256 = content.sha256()?;
        self.account.sending(&label, &sha256);
        let upload = Upload::new(format!("{label}.bin"), content).field("version", label.as_str());
        let answer = patiently(self.crew.user.upload(&upload)).await;
        if let Some(answer) = answer.as_ref().filter(|answer| answer.status != 201) {
            may_fail("an upload", answer)?;
        }
        if self.account.uploaded(&label, &sha256, answer.as_ref())? {
            self.files.push(label);
            self.see(self.files.len() - 1).await.context("right after its upload")?;
        }
        Ok(())
    }

    async fn describe(&mut self, index: usize) -> Result<()> {
        let (label, description) = (self.files[index].clone(), format!("described {}", self.below(1 << 40)));
        let patch = json!({ "description": description });
        let answer = patiently(self.crew.user.patch(&self.account.id(&label)?, &patch)).await;
        if let Some(answer) = answer.as_ref().filter(|answer| answer.status != 200) {
            may_fail("a change", answer)?;
        }
        self.account.described(&label, &description, answer.as_ref())?;
        if answer.is_none_or(|answer| answer.status != 200) {
            return Ok(());
        }
        let seen = patiently(self.crew.user.metadata(&self.account.id(&label)?)).await;
        let Some(seen) = seen.filter(|answer| answer.status == 200) else { return Ok(()) };
        ensure!(seen.json()?["description"] == description.as_str(), "right after it was {description:?}: {seen}");
        Ok(())
    }

    async fn delete(&mut self, index: usize) -> Result<()> {
        let label = self.files.swap_remove(index);
        let answer = patiently(self.crew.operator.delete(&self.account.id(&label)?)).await;
        let refused = answer.as_ref().filter(|answer| answer.status != 204);
        if let Some(answer) = refused {
            may_fail("a deletion", answer)?;
        }
        self.account.deleted(&label, answer.as_ref())?;
        // Whether it is gone is only known when it was said: from then on nobody may see it, until then nobody asks.
        if refused.is_some_and(|answer| answer.code() != "OUTCOME_UNKNOWN") {
            self.files.push(label);
        } else if answer.is_some_and(|answer| answer.status == 204)
            && let Some(seen) = patiently(self.crew.user.metadata(&self.account.id(&label)?)).await
            && seen.status != 404
        {
            may_fail(&format!("the metadata of {label}, which was deleted,"), &seen)?;
        }
        Ok(())
    }

    async fn see(&mut self, index: usize) -> Result<()> {
        let label = &self.files[index];
        let Some(answer) = patiently(self.crew.user.metadata(&self.account.id(label)?)).await else { return Ok(()) };
        if answer.status == 200 {
            let said = answer.json()?["version"].clone();
            ensure!(said == label.as_str(), "another file is shown for {label}: {answer}");
            return Ok(());
        }
        may_fail(&format!("the metadata of the acknowledged file {label}"), &answer)
    }

    async fn download(&mut self, index: usize) -> Result<()> {
        let label = &self.files[index];
        let id = self.account.id(label)?;
        let seen = patiently(self.crew.user.metadata(&id)).await.filter(|answer| answer.status == 200);
        let Some((200, sha256, size)) = patiently(self.crew.user.download_digest(&id)).await else { return Ok(()) };
        let Some(seen) = seen else { return Ok(()) };
        let said = seen.json()?["checksum"].clone();
        ensure!(said == sha256.as_str(), "{label} came whole with {size} other bytes");
        Ok(())
    }
}

/// Workers and a reader, all at once, for so long.
pub async fn busy(crew: &Crew, account: &Account, seed: u64, workers: u64, how_long: Duration) -> Result<()> {
    let until = Instant::now() + how_long;
    let work = (0..workers).map(|number| async move {
        let own = (seed << 8 | number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut worker = Worker::new(crew, account, format!("{seed}-{number}-{}", round()), own);
        worker.work(until).await.with_context(|| format!("worker {number}"))
    });
    let reader = async {
        let mut looks = seed;
        while Instant::now() < until {
            looks = looks.wrapping_add(7);
            account.look(&crew.user, looks).await.context("a reader")?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    let (worked, read) = tokio::join!(futures_util::future::try_join_all(work), reader);
    worked?;
    read
}

/// Tells the labels of several rounds apart.
fn round() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string()
}

/// What came of a request, if it came in time.
async fn patiently<T>(request: impl Future<Output = Result<T>>) -> Option<T> {
    tokio::time::timeout(CLIENT_PATIENCE, request).await.ok()?.ok()
}
