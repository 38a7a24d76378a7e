//! Jobs over the API: one of a kind runs at a time, across nodes; what they have done outlives the process as a row.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::gc::{Expire, Gc, gc};
use super::{JobError, Progress, VerifyOptions, rebuild, verify};
use crate::catalog::{CatalogError, JobKind, JobRow, JobState, SharedCatalog};
use crate::element::Element;
use crate::model::{Term, Timestamp};
use crate::settling::KeyLocks;
use crate::storage::SharedStorage;

/// How often a running job's row is brought up to date.
const REPORT_EVERY: Duration = Duration::from_secs(2);
/// How often gc runs by itself on the master.
const GC_EVERY: Duration = Duration::from_hours(1);

/// What a job is asked to do.
#[derive(Clone, Copy, Debug)]
pub enum JobRequest {
    /// Make the cache again.
    Rebuild,
    /// Verify every file.
    Verify {
        /// Hash the data too.
        deep: bool,
        /// Repair rows.
        repair: bool,
        /// Bytes read each second at most; 0 is without limit.
        bytes_per_second: u64,
        /// Only files that changed at or after this moment.
        since: Option<Timestamp>,
    },
    /// Remove what has had its time.
    Gc {
        /// Also set aside data that nobody knows.
        orphans: bool,
    },
}

impl JobRequest {
    /// Its kind.
    pub const fn kind(self) -> JobKind {
        match self {
            Self::Rebuild => JobKind::Rebuild,
            Self::Verify { .. } => JobKind::Verify,
            Self::Gc { .. } => JobKind::Gc,
        }
    }
}

/// Why a job was not begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of its kind runs (409).
    #[error("a job of this kind is running: {0:?}")]
    InProgress(Option<Uuid>),
    /// In this mode nothing may be written (409).
    #[error("in this mode nothing is removed or repaired")]
    ModeRefuses,
    /// This node has no term (503).
    #[error("this node is not the master: start the job there")]
    NotMaster,
    /// The catalog does not answer (503).
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A defect (500).
    #[error("the job could not be begun: {0}")]
    Defect(String),
}

/// Why a job was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// Another node works on it (503).
    #[error("the job runs on {0}: cancel it there")]
    Elsewhere(String),
    /// The catalog does not answer (503).
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

struct Running {
    row: JobRow,
    progress: Arc<Progress>,
    since: Instant,
    cancel: CancellationToken,
}

/// What jobs work with.
pub struct JobsParts {
    /// Where the bytes are.
    pub storage: SharedStorage,
    /// The catalog.
    pub catalog: SharedCatalog,
    /// The element.
    pub element: Arc<Element>,
    /// One writer for each file.
    pub locks: Arc<KeyLocks<Uuid>>,
    /// Who deletes expired files.
    pub expire: Arc<dyn Expire>,
}

/// The jobs of this process.
pub struct Jobs {
    parts: JobsParts,
    running: Mutex<HashMap<Uuid, Running>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Jobs {
    /// Jobs over these parts; running ones are cancelled with `stop`.
    pub fn new(parts: JobsParts, stop: CancellationToken) -> Self {
        Self { parts, running: Mutex::default(), tasks: TaskTracker::new(), stop }
    }

    /// Begins a job. `node` is how the election names this process.
    pub async fn start(self: &Arc<Self>, request: JobRequest, node: &str) -> Result<JobRow, StartError> {
        let (this, node) = (Arc::clone(self), node.to_owned());
        // A task of its own: a client that goes away must not leave a running row that nobody works on.
        let begun = self.tasks.spawn(async move { this.begin(request, node).await });
        begun.await.unwrap_or_else(|error| Err(StartError::Defect(error.to_string())))
    }

    async fn begin(self: Arc<Self>, request: JobRequest, node: String) -> Result<JobRow, StartError> {
        let writes = matches!(request, JobRequest::Gc { .. } | JobRequest::Verify { repair: true, .. });
        if writes && !self.parts.element.mode().is_writable() {
            return Err(StartError::ModeRefuses);
        }
        let term = self.parts.element.term_of_jobs().ok_or(StartError::NotMaster)?;
        let row = JobRow {
            job_id: Uuid::now_v7(),
            kind: request.kind(),
            state: JobState::Running,
            started_at: Timestamp::now(),
            finished_at: None,
            progress: shown(&Progress::default(), Duration::ZERO),
            report: None,
            node,
        };
        if !self.parts.catalog.start_job(&row).await? {
            let running = self.parts.catalog.jobs(100).await?.into_iter();
            let running = running.filter(|job| job.kind == row.kind && job.state == JobState::Running);
            return Err(StartError::InProgress(running.map(|job| job.job_id).next()));
        }
        let running = Running {
            row: row.clone(),
            progress: Arc::default(),
            since: Instant::now(),
            cancel: self.stop.child_token(),
        };
        let (progress, cancel) = (Arc::clone(&running.progress), running.cancel.clone());
        self.running.lock().insert(row.job_id, running);
        let this = Arc::clone(&self);
        let job_id = row.job_id;
        self.tasks.spawn(async move { this.run(job_id, request, term, &progress, &cancel).await });
        Ok(row)
    }

    /// One job as it is now.
    pub async fn job(&self, job_id: Uuid) -> Result<Option<JobRow>, CatalogError> {
        match self.live(job_id) {
            Some(row) => Ok(Some(row)),
            None => self.parts.catalog.job(job_id).await,
        }
    }

    /// The latest jobs, newest first.
    pub async fn jobs(&self, limit: u32) -> Result<Vec<JobRow>, CatalogError> {
        let rows = self.parts.catalog.jobs(limit).await?;
        Ok(rows.into_iter().map(|row| self.live(row.job_id).unwrap_or(row)).collect())
    }

    /// Cancels a job of this process; the job as it is now. `None` when there is no such job.
    pub async fn cancel(&self, job_id: Uuid) -> Result<Option<JobRow>, CancelError> {
        if let Some(running) = self.running.lock().get(&job_id) {
            running.cancel.cancel();
        }
        match self.job(job_id).await? {
            Some(row) if row.state == JobState::Running && !self.running.lock().contains_key(&job_id) => {
                // It may have ended here in between.
                match self.parts.catalog.job(job_id).await? {
                    Some(row) if row.state == JobState::Running => Err(CancelError::Elsewhere(row.node)),
                    row => Ok(row),
                }
            }
            row => Ok(row),
        }
    }

    /// The term of this node is over: its jobs end, to be started again where the next master is.
    pub fn term_over(&self) {
        for running in self.running.lock().values() {
            running.cancel.cancel();
        }
    }

    /// Whether a job of this kind runs in this process: for metrics.
    pub fn is_running(&self, kind: JobKind) -> bool {
        self.running.lock().values().any(|running| running.row.kind == kind)
    }

    /// Runs gc every hour while this node is master and the mode allows writing, until the end of the process.
    pub async fn gc_hourly(self: Arc<Self>, node: String) {
        while self.stop.run_until_cancelled(tokio::time::sleep(GC_EVERY)).await.is_some() {
            if !self.parts.element.mode().is_writable() || self.parts.element.term().is_none() {
                continue;
            }
            match self.start(JobRequest::Gc { orphans: false }, &node).await {
                Ok(_) | Err(StartError::InProgress(_)) => {}
                Err(error) => tracing::warn!(%error, "the hourly gc could not begin"),
            }
        }
    }

    /// Returns when every job has ended. To be called after `stop`.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn live(&self, job_id: Uuid) -> Option<JobRow> {
        self.running.lock().get(&job_id).map(|running| JobRow {
            progress: shown(&running.progress, running.since.elapsed()),
            ..running.row.clone()
        })
    }

    async fn run(
        &self,
        job_id: Uuid,
        request: JobRequest,
        term: Term,
        progress: &Progress,
        cancel: &CancellationToken,
    ) {
        let work = self.work(job_id, request, term, progress, cancel);
        tokio::pin!(work);
        let mut tick = tokio::time::interval(REPORT_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tick.tick().await;
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = tick.tick() => {
                    if let Some(row) = self.live(job_id)
                        && let Err(error) = self.parts.catalog.update_job(&row).await
                    {
                        tracing::debug!(%error, "the progress of a job could not be noted");
                    }
                }
            }
        };
        let Some(row) = self.live(job_id) else { return };
        let (state, report) = match result {
            Ok(report) => (JobState::Succeeded, report),
            Err(JobError::Cancelled) if self.stop.is_cancelled() || self.parts.element.term_of_jobs() != Some(term) => {
                (JobState::Interrupted, Value::Null)
            }
            Err(JobError::Cancelled) => (JobState::Cancelled, Value::Null),
            Err(error) => (JobState::Failed, json!({"error": error.to_string()})),
        };
        tracing::info!(job_id = %job_id, kind = ?row.kind, ?state, report = %report, "a job has ended");
        let report = (!report.is_null()).then_some(report);
        let row = JobRow { state, finished_at: Some(Timestamp::now()), report, ..row };
        self.note_end(&row).await;
        self.running.lock().remove(&job_id);
    }

    /// Writes a job's end, tried for a while: a row left running would keep its kind from being started again.
    async fn note_end(&self, row: &JobRow) {
        for pause_ms in [0, 100, 500, 2_000, 10_000, 30_000] {
            let _ = self.stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(pause_ms))).await;
            match self.parts.catalog.update_job(row).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(job_id = %row.job_id, %error, "the end of a job could not be noted"),
            }
        }
    }

    async fn work(
        &self,
        job_id: Uuid,
        request: JobRequest,
        term: Term,
        progress: &Progress,
        cancel: &CancellationToken,
    ) -> Result<Value, JobError> {
        let (storage, catalog) = (&self.parts.storage, &self.parts.catalog);
        let value = match request {
            JobRequest::Rebuild => serde_json::to_value(
                rebuild(storage, catalog, &self.parts.locks, term, job_id, progress, cancel).await?,
            ),
            JobRequest::Verify { deep, repair, bytes_per_second, since } => {
                let repair = repair.then_some(term);
                let options = VerifyOptions { deep, repair, bytes_per_second, since };
                let mut tell = |finding: super::Finding| {
                    tracing::warn!(path = finding.path, kind = ?finding.kind, "verify: {}", finding.message);
                };
                let locks = &self.parts.locks;
                serde_json::to_value(verify(storage, catalog, locks, options, progress, cancel, &mut tell).await?)
            }
            JobRequest::Gc { orphans } => {
                let retention = *self.parts.element.retention();
                let expire = (self.parts.element.mode() == storage_element_crds::Mode::Edit)
                    .then(|| Arc::clone(&self.parts.expire));
                let parts = Gc { storage, catalog, files: &self.parts.locks, expire, retention, term, orphans };
                serde_json::to_value(gc(&parts, progress, cancel).await?)
            }
        };
        value.map_err(|error| JobError::Defect(error.to_string()))
    }
}

/// Progress as the API shows it.
fn shown(progress: &Progress, elapsed: Duration) -> Value {
    let view = progress.view();
    let seconds = elapsed.as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // A rate for people.
    let rate = if seconds > 0.0 { view.done as f64 / seconds } else { 0.0 };
    let left = view.total.saturating_sub(view.done);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let eta_seconds = (rate > 0.0 && view.total > 0).then(|| (left as f64 / rate).ceil() as u64);
    let rate = (rate * 10.0).round() / 10.0;
    json!({"done": view.done, "total": view.total.max(view.done), "bytes": view.bytes, "rate": rate, "eta_seconds": eta_seconds})
}
