//! Clients that write, update, read and delete through all nodes, and note what they see.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::{Act, Event, Saw};
use crate::{Answer, Client, Content, Upload};

/// How long a client waits for an answer before it gives up and does not know.
const PATIENCE: Duration = Duration::from_secs(8);

/// How many files are worked on at a time: few, so that clients meet.
const FILES_AT_WORK: usize = 12;

/// For each node a client that may delete.
pub type Clients = Vec<Client>;

/// A run of clients.
pub struct Workload {
    nodes: Clients,
    begun: Instant,
    stop: AtomicBool,
    files: Mutex<Vec<(usize, String)>>,
    numbers: AtomicUsize,
    events: Mutex<Vec<Event>>,
}

impl Workload {
    /// One over these nodes.
    pub fn over(nodes: Clients) -> Arc<Self> {
        Arc::new(Self {
            nodes,
            begun: Instant::now(),
            stop: AtomicBool::new(false),
            files: Mutex::new(Vec::new()),
            numbers: AtomicUsize::new(0),
            events: Mutex::new(Vec::new()),
        })
    }

    /// Works as client number `client` until [`stop`](Self::stop).
    ///
    /// # Errors
    /// When a request cannot even be made.
    pub async fn work(self: Arc<Self>, client: usize, seed: u64) -> Result<()> {
        let mut random = StdRng::seed_from_u64(seed ^ (client as u64).rotate_left(32));
        while !self.stop.load(Ordering::Relaxed) {
            let node = random.random_range(0..self.nodes.len());
            let chosen = self.choose(&mut random);
            match (chosen, random.random_range(0..100)) {
                (None, _) | (_, 0..12) => self.create(client, node).await?,
                (Some((file, id)), 12..40) => self.update(client, node, file, &id).await?,
                (Some((file, id)), 40..46) => self.delete(client, node, file, &id).await?,
                (Some((file, id)), _) => self.read(client, node, file, &id).await?,
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await;
        }
        Ok(())
    }

    /// Lets all clients end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Reads every file through every node, once all is well again.
    ///
    /// # Errors
    /// When a node does not answer.
    pub async fn read_all(&self) -> Result<()> {
        let files = self.files.lock().map(|files| files.clone()).unwrap_or_default();
        for node in 0..self.nodes.len() {
            for (file, id) in &files {
                self.read(usize::MAX, node, *file, id).await?;
            }
        }
        Ok(())
    }

    /// What was seen so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().map(|events| events.clone()).unwrap_or_default()
    }

    fn choose(&self, random: &mut StdRng) -> Option<(usize, String)> {
        let files = self.files.lock().ok()?;
        let recent = &files[files.len().saturating_sub(FILES_AT_WORK)..];
        (!recent.is_empty()).then(|| recent[random.random_range(0..recent.len())].clone())
    }

    async fn create(&self, client: usize, node: usize) -> Result<()> {
        let file = self.numbers.fetch_add(1, Ordering::Relaxed);
        let mark = format!("file {file} as {client} made it");
        let upload = Upload::new(format!("history {file}.bin"), Content::Generated { seed: file as u64, size: 2_000 })
            .field("description", &mark)
            .idempotency_key(format!("history-{file}"));
        let began = self.begun.elapsed();
        let answer = within(self.nodes[node].upload(&upload)).await;
        let saw = written(answer.as_ref());
        if let (Some(answer), Saw::Done { .. }) = (&answer, &saw) {
            let id = answer.file_id()?;
            self.files.lock().map(|mut files| files.push((file, id))).unwrap_or_default();
        }
        self.note(Event { client, node, file, began, ended: self.begun.elapsed(), act: Act::Create { mark }, saw });
        Ok(())
    }

    async fn update(&self, client: usize, node: usize, file: usize, id: &str) -> Result<()> {
        let began = self.begun.elapsed();
        let mark = format!("by {client} at {}", began.as_nanos());
        let answer = within(self.nodes[node].patch(id, &json!({"description": mark}))).await;
        let saw = written(answer.as_ref());
        self.note(Event { client, node, file, began, ended: self.begun.elapsed(), act: Act::Update { mark }, saw });
        Ok(())
    }

    async fn delete(&self, client: usize, node: usize, file: usize, id: &str) -> Result<()> {
        let began = self.begun.elapsed();
        let answer = within(self.nodes[node].delete(id)).await;
        let saw = match &answer {
            Some(answer) if answer.status == 204 => Saw::Done { revision: 0 },
            other => written(other.as_ref()),
        };
        self.note(Event { client, node, file, began, ended: self.begun.elapsed(), act: Act::Delete, saw });
        Ok(())
    }

    async fn read(&self, client: usize, node: usize, file: usize, id: &str) -> Result<()> {
        let began = self.begun.elapsed();
        let answer = within(self.nodes[node].metadata(id)).await;
        let saw = match &answer {
            Some(answer) if answer.status == 200 => {
                let body = answer.json()?;
                Saw::Shown {
                    revision: body["revision"].as_u64().unwrap_or(0),
                    mark: body["description"].as_str().unwrap_or_default().to_owned(),
                }
            }
            Some(answer) if answer.status == 404 => Saw::Gone,
            _ => Saw::Unknown,
        };
        self.note(Event { client, node, file, began, ended: self.begun.elapsed(), act: Act::Read, saw });
        Ok(())
    }

    fn note(&self, event: Event) {
        self.events.lock().map(|mut events| events.push(event)).unwrap_or_default();
    }
}

/// The answer, if one comes in time.
async fn within(asked: impl Future<Output = Result<Answer>>) -> Option<Answer> {
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
}

/// What a write's answer means. A refusal says for certain that nothing happened; everything else does not.
fn written(answer: Option<&Answer>) -> Saw {
    let Some(answer) = answer else { return Saw::Unknown };
    match (answer.status, answer.code().as_str()) {
        (200 | 201, _) => {
            Saw::Done { revision: answer.json().ok().and_then(|body| body["revision"].as_u64()).unwrap_or(0) }
        }
        (404, _) => Saw::Gone,
        (400..500, _) | (503, "NOT_MASTER" | "RECOVERING" | "TRANSITION_IN_PROGRESS" | "DATABASE_UNAVAILABLE") => {
            Saw::Refused
        }
        _ => Saw::Unknown,
    }
}
