//! An element that is open: what serves it, and how it is closed.

use std::sync::Arc;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{DRAIN_PATIENCE, Process};
use crate::commands::CommandError;
use crate::commands::opening::{Opened, OpeningError};
use crate::election::MastershipLost;
use crate::element::{Closed, Element, ModeChanges};
use crate::files::Files;
use crate::http::Services;
use crate::jobs::{Jobs, JobsParts, Progress};

/// An element that is open.
pub(super) struct Running {
    opened: Opened,
    element: Arc<Element>,
    files: Files,
    modes: Arc<ModeChanges>,
    jobs: Arc<Jobs>,
}

impl Running {
    /// Makes the rooms of an opened element, and begins what runs beside requests.
    pub(super) async fn begin(process: &Process<'_>, opened: Opened) -> Result<Self, OpeningError> {
        let (element, files) = opened.serve(process.config, &process.metrics).await?;
        let (storage, catalog) = (&opened.locked.storage, &opened.locked.catalog);
        // The lock is ours alone: whoever ran them is gone.
        let interrupted = catalog.interrupt_jobs(None).await?;
        if interrupted > 0 {
            tracing::warn!(interrupted, "jobs of an earlier process had not ended: start them again");
        }
        let stop = &process.stop;
        let modes = ModeChanges::new(Arc::clone(&element), Arc::clone(storage), Arc::clone(catalog), stop.clone());
        let parts = JobsParts {
            storage: Arc::clone(storage),
            catalog: Arc::clone(catalog),
            element: Arc::clone(&element),
            locks: Arc::clone(&opened.locks),
            expire: Arc::new(files.clone()),
        };
        let (modes, jobs) = (Arc::new(modes), Arc::new(Jobs::new(parts, stop.clone())));
        process.tasks.spawn(files.clone().watch_catalog(stop.clone()));
        process.tasks.spawn(Arc::clone(&jobs).gc_hourly(opened.locked.election.holder()));
        let (settler, of, until) = (opened.settler.clone(), Arc::clone(&element), stop.clone());
        process.tasks.spawn(async move { settler.run(|| of.term(), until).await });
        Ok(Self { opened, element, files, modes, jobs })
    }

    /// The element's id.
    pub(super) fn element_id(&self) -> Uuid {
        self.element.view().element_id
    }

    /// Returns when the mastership of this process has ended, with the reason.
    pub(super) async fn mastership_ended(&self) -> MastershipLost {
        self.opened.locked.election.ended().await
    }

    /// What handlers work with.
    pub(super) fn services(&self, process: &Process<'_>) -> Services {
        let (storage, log) = (Arc::clone(&self.opened.locked.storage), Arc::clone(process.guard));
        let traces = process.traces.clone();
        Services {
            files: self.files.clone(),
            element: Arc::clone(&self.element),
            settler: Arc::new(self.opened.settler.clone()),
            modes: Arc::clone(&self.modes),
            jobs: Arc::clone(&self.jobs),
            catalog: Arc::clone(&self.opened.locked.catalog),
            observe: Box::new(move |scrape| {
                scrape.folder_syncs = storage.folder_syncs();
                scrape.storage_broken = Some(storage.broken().is_some());
                scrape.log_lines_dropped = log.dropped_lines();
                scrape.trace_spans_dropped = traces.dropped_spans();
            }),
        }
    }

    /// Makes the catalog first where it cannot be trusted, then lets writes in. Reads by id are served meanwhile.
    pub(super) async fn recover(&self, stop: &CancellationToken) -> Result<(), CommandError> {
        if self.opened.taken_over.needs_rebuild {
            tracing::info!("the catalog does not hold all files: it is made again from the attr files");
            let report = self.opened.rebuild(&Progress::default(), stop).await.map_err(OpeningError::Rebuild)?;
            tracing::info!(files = report.files, duration_ms = report.duration_ms, "the catalog holds all files again");
            self.files.raise_ids().await.map_err(OpeningError::from)?;
        }
        self.element.recovered();
        if let Err(error) = self.modes.inherit().await {
            tracing::warn!(%error, "whether a mode change was prepared is not known: prepare it again");
        }
        Ok(())
    }

    /// Lets nothing in any more, waits for what is inside, and ends the term.
    pub(super) async fn shut_down(&self, process: &Process<'_>) {
        let Process { config, stop, tasks, .. } = process;
        self.element.gate().close(Closed::Stopping, false);
        stop.cancel();
        let (modes, jobs) = (Arc::clone(&self.modes), Arc::clone(&self.jobs));
        tasks.spawn(async move {
            modes.ended().await;
            jobs.ended().await;
        });
        tasks.close();
        if timeout(config.limits.drain_timeout + DRAIN_PATIENCE, tasks.wait()).await.is_err() {
            tracing::warn!("some work has not ended in time");
        }
        self.element.gate().close(Closed::Stopping, true);
        if timeout(DRAIN_PATIENCE, self.files.drained()).await.is_err() {
            tracing::warn!("some operations have not ended in time: the next start settles them");
        }
        self.opened.locked.catalog.close().await;
        if let Err(error) = self.opened.locked.storage.end_term(self.opened.term()).await {
            tracing::warn!(%error, "the staging folder stays");
        }
        self.opened.locked.election.release().await;
    }
}
