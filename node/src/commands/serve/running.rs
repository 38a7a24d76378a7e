//! An element that is served: its rooms, and how it is closed.

use std::sync::Arc;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{DRAIN_PATIENCE, Process};
use crate::commands::opening::{OpeningError, Rooms};
use crate::election::{Mastership, MastershipLost};
use crate::element::{Closed, Element, ElementFile, ModeChanges};
use crate::files::Files;
use crate::http::Services;
use crate::jobs::{Jobs, JobsParts, Progress};
use crate::model::Term;
use crate::settling::TakenOver;

/// An element that is served, in whatever term.
pub(super) struct Running {
    pub(super) rooms: Arc<Rooms>,
    pub(super) element: Arc<Element>,
    pub(super) files: Files,
    pub(super) modes: Arc<ModeChanges>,
    pub(super) jobs: Arc<Jobs>,
}

impl Running {
    /// Makes what serves an element, and begins what runs beside requests. `term` is the one that has begun here.
    pub(super) async fn begin(
        process: &Process<'_>,
        rooms: Arc<Rooms>,
        file: ElementFile,
        term: Option<Term>,
    ) -> Result<Self, OpeningError> {
        let (element, files) = rooms.serve(process.config, &process.metrics, file, term).await?;
        let (storage, catalog) = (&rooms.storage, &rooms.catalog);
        let stop = &process.stop;
        let modes = ModeChanges::new(Arc::clone(&element), Arc::clone(storage), Arc::clone(catalog), stop.clone());
        let parts = JobsParts {
            storage: Arc::clone(storage),
            catalog: Arc::clone(catalog),
            element: Arc::clone(&element),
            locks: Arc::clone(&rooms.locks),
            expire: Arc::new(files.clone()),
        };
        let (modes, jobs) = (Arc::new(modes), Arc::new(Jobs::new(parts, stop.clone())));
        process.tasks.spawn(files.clone().watch_catalog(stop.clone()));
        process.tasks.spawn(Arc::clone(&jobs).gc_hourly(rooms.election.node()));
        let (settler, of, until) = (rooms.settler.clone(), Arc::clone(&element), stop.clone());
        process.tasks.spawn(async move { settler.run(|| of.term(), until).await });
        Ok(Self { rooms, element, files, modes, jobs })
    }

    /// The element's id.
    pub(super) fn element_id(&self) -> Uuid {
        self.element.view().element_id
    }

    /// Returns when the mastership of this process has ended, with the reason.
    pub(super) async fn mastership_ended(&self) -> MastershipLost {
        self.rooms.election.ended().await
    }

    /// What handlers work with.
    pub(super) fn services(&self, process: &Process<'_>, mastership: Mastership) -> Services {
        let (storage, log) = (Arc::clone(&self.rooms.storage), Arc::clone(process.guard));
        let traces = process.traces.clone();
        Services {
            files: self.files.clone(),
            element: Arc::clone(&self.element),
            settler: Arc::new(self.rooms.settler.clone()),
            modes: Arc::clone(&self.modes),
            jobs: Arc::clone(&self.jobs),
            catalog: Arc::clone(&self.rooms.catalog),
            mastership,
            observe: Box::new(move |scrape| {
                scrape.folder_syncs = storage.folder_syncs();
                scrape.storage_broken = Some(storage.broken().is_some());
                scrape.log_lines_dropped = log.dropped_lines();
                scrape.trace_spans_dropped = traces.dropped_spans();
            }),
        }
    }

    /// Makes the catalog first where it cannot be trusted, then lets writes in. Reads by id are served meanwhile.
    pub(super) async fn recover(&self, taken_over: &TakenOver, stop: &CancellationToken) -> Result<(), OpeningError> {
        if taken_over.needs_rebuild {
            tracing::info!("the catalog does not hold all files: it is made again from the attr files");
            let report = self.rooms.rebuild(taken_over.term, &Progress::default(), stop).await?;
            tracing::info!(files = report.files, duration_ms = report.duration_ms, "the catalog holds all files again");
        }
        self.files.raise_ids().await?;
        self.element.recovered();
        if let Err(error) = self.modes.inherit().await {
            tracing::warn!(%error, "whether a mode change was prepared is not known: prepare it again");
        }
        Ok(())
    }

    /// Lets nothing in any more, waits for what is inside, and ends the term.
    pub(super) async fn shut_down(&self, process: &Process<'_>) {
        let Process { config, stop, tasks, .. } = process;
        let term = self.element.term();
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
        self.rooms.catalog.close().await;
        if let Some(term) = term
            && let Err(error) = self.rooms.storage.end_term(term).await
        {
            tracing::warn!(%error, "the staging folder stays");
        }
        self.rooms.election.release().await;
    }
}
