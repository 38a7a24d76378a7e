//! What is true of the element as a whole: identity, mode, term, capacity, and whether it takes writes now.

mod capacity;
mod elected;
mod file;
mod gate;
mod health;
mod identity;
mod mode_change;
mod retention;
mod space;
mod step;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use storage_element_crds::Mode;
use tokio::sync::Notify;
use uuid::Uuid;

use self::elected::settling;
pub use capacity::{Capacity, CapacityRules, Level, Threshold};
pub use file::{ELEMENT_SCHEMA_VERSION, ElementFile};
pub use gate::{Closed, Door, Gate, Pass};
pub use health::{Health, Missing, PartHealth};
pub use identity::{Adoption, CatalogFound, Found, StorageFound, Verdict, judge};
pub use mode_change::{ModeAnswer, ModeChanges, ModeError, ModeRequest};
pub use retention::{Kept, RetentionRules};
pub use space::{Ledger, Promise, Promised};
pub use step::Phase;

use crate::catalog::{SharedCatalog, Transition};
use crate::election::{Election, Role};
use crate::model::{Epoch, Term, Timestamp};
use crate::storage::{SharedStorage, Space};

/// How long a measurement of the volume counts where there is plenty of space.
const MEASURED_FOR: Duration = Duration::from_millis(500);
/// Space beyond the first level of alarm that no disk fills within that time.
const PLENTY_BYTES: u64 = 8 << 30;

/// How often, and after which pause, a refusal against a quota is looked at again while uploads are on their way.
const PROMISE_LOOKS: u32 = 20;
const PROMISE_PAUSE: Duration = Duration::from_millis(10);

/// What the element is right now, taken at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ElementView {
    /// The element.
    pub element_id: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// The mode in force.
    pub mode: Mode,
    /// Since when.
    pub mode_changed_at: Timestamp,
    /// The mode the configuration names; `None` where an operator decides it.
    pub configured_mode: Option<Mode>,
    /// Number of the running term.
    pub epoch: Epoch,
    /// What this node is.
    pub role: Role,
    /// Who is master.
    pub master: Option<String>,
    /// A mode change on its way, and until when it holds the door.
    pub transition: Option<(Transition, Option<Timestamp>)>,
    /// The last mode change that was done.
    pub last_transition_id: Option<String>,
    /// The last rollback that was done.
    pub last_rollback_id: Option<String>,
}

struct State {
    file: ElementFile,
    term: Option<Term>,
    transition: Option<(Transition, Option<Timestamp>)>,
    /// The last term there was, in a mode where every node is equal and none is in a term of its own.
    shared: Option<Term>,
    /// Rises with every change that this node makes itself.
    changes: u64,
}

/// The element as this node serves it.
pub struct Element {
    storage: SharedStorage,
    catalog: SharedCatalog,
    election: Arc<dyn Election>,
    gate: Gate,
    state: RwLock<State>,
    configured_mode: Option<Mode>,
    rules: CapacityRules,
    retention: RetentionRules,
    ledger: Arc<Ledger>,
    measured: Mutex<Option<(Instant, Space)>>,
    /// The catalog holds what the attr files say: interrupted operations are settled, a due rebuild has ended.
    catalog_trusted: AtomicBool,
    distrusted: Notify,
    has_recovered: AtomicBool,
    /// The catalog does not hold all files yet.
    needs_rebuild: AtomicBool,
}

/// What an element is served with.
pub struct ElementParts {
    /// Where its files are.
    pub storage: SharedStorage,
    /// Its catalog.
    pub catalog: SharedCatalog,
    /// Who may write.
    pub election: Arc<dyn Election>,
    /// The mode the configuration names; `None` where an operator decides it.
    pub configured_mode: Option<Mode>,
    /// What the configuration says about capacity.
    pub rules: CapacityRules,
    /// What the configuration says about retention.
    pub retention: RetentionRules,
}

impl Element {
    /// An element whose gate is closed: its term has begun and its interrupted operations are not settled yet, or this
    /// node is in no term.
    pub fn new(parts: ElementParts, file: ElementFile, term: impl Into<Option<Term>>) -> Self {
        let term = term.into();
        let closed = match term {
            Some(_) => settling(),
            None => Closed::NotMaster("it has not been elected".to_owned()),
        };
        Self {
            storage: parts.storage,
            catalog: parts.catalog,
            election: parts.election,
            gate: Gate::new(closed),
            state: RwLock::new(State { file, term, transition: None, shared: None, changes: 0 }),
            configured_mode: parts.configured_mode,
            rules: parts.rules,
            retention: parts.retention,
            ledger: Arc::default(),
            measured: Mutex::default(),
            catalog_trusted: AtomicBool::new(false),
            distrusted: Notify::new(),
            has_recovered: AtomicBool::new(false),
            needs_rebuild: AtomicBool::new(false),
        }
    }

    /// What the element is right now.
    pub fn view(&self) -> ElementView {
        let state = self.state.read();
        ElementView {
            element_id: state.file.element_id,
            created_at: state.file.created_at,
            mode: state.file.mode,
            mode_changed_at: state.file.mode_changed_at,
            configured_mode: self.configured_mode,
            epoch: state.file.epoch,
            role: self.role_in(state.file.mode),
            master: self.election.master(),
            transition: state.transition.clone(),
            last_transition_id: state.file.last_transition_id.clone(),
            last_rollback_id: state.file.last_rollback_id.clone(),
        }
    }

    /// What this node is. In a mode without writes every node is equal.
    pub fn role(&self) -> Role {
        self.role_in(self.mode())
    }

    fn role_in(&self, mode: Mode) -> Role {
        if mode.is_writable() { self.election.role() } else { Role::Standalone }
    }

    /// The mode in force.
    pub fn mode(&self) -> Mode {
        self.state.read().file.mode
    }

    /// What `element.json` says.
    pub fn file(&self) -> ElementFile {
        self.state.read().file.clone()
    }

    /// `element.json` was replaced by this.
    pub(super) fn set_file(&self, file: ElementFile) {
        let mut state = self.state.write();
        state.file = file;
        state.changes += 1;
    }

    /// A mode change has begun, holds the door until a moment, or has ended.
    pub(super) fn set_transition(&self, transition: Option<(Transition, Option<Timestamp>)>) {
        let mut state = self.state.write();
        state.transition = transition;
        state.changes += 1;
    }

    /// The term this node is master in, if it is.
    pub fn term(&self) -> Option<Term> {
        self.state.read().term
    }

    /// The term in which a job may correct the cache: this node's own, or in a mode without a master the last there was.
    pub fn term_of_jobs(&self) -> Option<Term> {
        let state = self.state.read();
        state.term.or(state.shared)
    }

    /// Who may write.
    pub fn election(&self) -> &Arc<dyn Election> {
        &self.election
    }

    /// The gate every write passes.
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Whether reads may take the catalog's word.
    pub fn catalog_trusted(&self) -> bool {
        self.catalog_trusted.load(Ordering::Acquire)
    }

    /// Whether this process has been through with recovering since it started.
    pub fn has_recovered(&self) -> bool {
        self.has_recovered.load(Ordering::Acquire)
    }

    /// The catalog has not answered: until it has, and everything is settled, reads take the attr files' word.
    pub fn distrust_catalog(&self) {
        if self.catalog_trusted.swap(false, Ordering::AcqRel) {
            self.distrusted.notify_one();
        }
    }

    /// Returns when the catalog was distrusted. For one waiter.
    pub async fn catalog_distrusted(&self) {
        self.distrusted.notified().await;
    }

    /// The catalog answers again and knows everything.
    pub fn trust_catalog(&self) {
        self.catalog_trusted.store(true, Ordering::Release);
    }

    /// Settling and a due rebuild have ended: reads take the catalog's word, and writes are let in where the mode
    /// allows any.
    pub fn recovered(&self) {
        self.catalog_trusted.store(true, Ordering::Release);
        self.has_recovered.store(true, Ordering::Release);
        self.needs_rebuild.store(false, Ordering::Release);
        if let (Some(term), true) = (self.term(), self.mode().is_writable()) {
            self.gate.open(term);
        }
    }

    /// How full it is, what is promised to uploads counted as taken.
    pub async fn capacity(&self) -> Capacity {
        let promised = self.ledger.promised();
        let (space, stored) = self.measure().await;
        self.rules.judge(space, stored, self.ledger.promised().since(promised))
    }

    /// Promises space for `bytes` more of one file, or says why there is none.
    ///
    /// Against a quota a file counts twice for the moment between its commit and the end of its upload, in the catalog's
    /// sums and in what is promised. So while others are on their way a refusal is looked at again before it stands.
    pub async fn promise(&self, promise: &mut Promise, bytes: u64) -> Result<(), String> {
        let mut looks = 0;
        loop {
            let result = self.promise_now(promise, bytes).await;
            let others = self.ledger.promised().uncommitted > promise.uncommitted();
            if result.is_ok() || self.rules.quota_bytes.is_none() || !others || looks == PROMISE_LOOKS {
                return result;
            }
            looks += 1;
            tokio::time::sleep(PROMISE_PAUSE).await;
        }
    }

    async fn promise_now(&self, promise: &mut Promise, bytes: u64) -> Result<(), String> {
        let before = self.ledger.promised();
        let (space, stored) = self.measure().await;
        promise
            .extend(bytes, |promised| self.rules.takes(self.rules.judge(space, stored, promised.since(before)), bytes))
    }

    /// A promise of nothing yet.
    pub fn begin_promise(&self) -> Promise {
        self.ledger.begin()
    }

    /// What the configuration says about retention.
    pub const fn retention(&self) -> &RetentionRules {
        &self.retention
    }

    async fn measure(&self) -> (Option<Space>, u64) {
        // The sums matter only against a quota; without a catalog no upload is taken anyway.
        let stored = match self.rules.quota_bytes {
            Some(_) => self.catalog.totals().await.map_or(0, |totals| totals.active_bytes + totals.deleted_bytes),
            None => 0,
        };
        (self.space().await, stored)
    }

    /// Space of the volume. Measured anew unless there was so much of it a moment ago that nothing written since can
    /// matter.
    async fn space(&self) -> Option<Space> {
        let measured = *self.measured.lock();
        if let Some((at, space)) = measured
            && at.elapsed() < MEASURED_FOR
            && space.available > self.rules.warning.free_bytes(space.total).saturating_add(PLENTY_BYTES)
        {
            return Some(space);
        }
        match self.storage.space().await {
            Ok(space) => {
                *self.measured.lock() = space.map(|space| (Instant::now(), space));
                space
            }
            Err(error) => {
                tracing::warn!(%error, "the space left on the storage cannot be told");
                None
            }
        }
    }
}
