//! The write protocol from the intent on: WAL → attr → cache → commit. The order never changes.
//!
//! Source of the order: the product specification, `10-node`, section The write protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::{FileError, FileResult, Inner};
use crate::catalog::{CatalogError, Commit, CommitVerdict, IntentVerdict};
use crate::element::{Pass, Promise};
use crate::failpoint;
use crate::model::{FileRow, OperationType, Term, Timestamp, WalRow};
use crate::settling::{KeyGuard, Owned, Settled};
use crate::storage::{AttrOnDisk, DataOrder, NewFile, PublishError, StorageError};
use crate::telemetry::metrics::WalOutcome;

/// How long the answer waits for the catalog after the commit point. Then it is "not known yet", and the work goes on.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);
/// How long an intent is asked for again when the catalog does not answer.
const INTENT_PATIENCE: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MOST: Duration = Duration::from_secs(2);

/// What the commit point puts in place.
pub(super) enum Change {
    /// A new file: data and attr, staged.
    New(Box<dyn NewFile>),
    /// The next revision of an attr, to replace the one that was read.
    Attr {
        /// As it was read.
        before: AttrOnDisk,
        /// The next revision's bytes.
        next: Bytes,
    },
}

impl Change {
    /// The next revision's bytes, if that is what it is.
    fn next(&self) -> Option<Bytes> {
        match self {
            Self::New(_) => None,
            Self::Attr { next, .. } => Some(next.clone()),
        }
    }
}

/// An operation that is ready for its intent. It holds its file and its place inside the gate until it has ended.
pub(super) struct Operation {
    pub(super) pass: Pass,
    pub(super) intent: WalRow,
    /// The intent is durable already, and this keeps the settler away.
    pub(super) announced: Option<Owned>,
    pub(super) row: FileRow,
    /// Held, not read.
    pub(super) _file_lock: Option<KeyGuard<uuid::Uuid>>,
    /// Held until its outcome is answered; from then on the row of the log keeps the key.
    pub(super) key_lock: Option<KeyGuard<(String, String)>>,
    /// Held until the catalog's sums know the file.
    pub(super) _promise: Option<Promise>,
}

/// Names of this operation's fail points.
struct Points {
    before_intent: &'static str,
    after_intent: &'static str,
    before_commit: &'static str,
    after_commit: &'static str,
}

impl Operation {
    const fn points(&self) -> Points {
        points(self.intent.operation_type)
    }
}

const fn points(operation_type: OperationType) -> Points {
    match operation_type {
        OperationType::FileUpdate => Points {
            before_intent: "update.before_intent",
            after_intent: "update.after_intent",
            before_commit: "update.before_commit",
            after_commit: "update.after_commit",
        },
        OperationType::FileDelete => Points {
            before_intent: "delete.before_intent",
            after_intent: "delete.after_intent",
            before_commit: "delete.before_commit",
            after_commit: "delete.after_commit",
        },
        _ => Points {
            before_intent: "upload.before_intent",
            after_intent: "upload.after_intent",
            before_commit: "upload.before_commit",
            after_commit: "upload.after_commit",
        },
    }
}

impl Inner {
    /// Carries an operation through. It is a task of its own: a client that goes away does not stop it half-way.
    pub(super) async fn carry_out(self: &Arc<Self>, operation: Operation, change: Change) -> FileResult<FileRow> {
        let (answer, answered) = oneshot::channel();
        let inner = Arc::clone(self);
        let tx = operation.intent.transaction_id;
        self.running.spawn(async move { inner.run(operation, change, answer).await });
        let ended = answered.await;
        ended.unwrap_or_else(|_| {
            Err(FileError::OutcomeUnknown { tx, reason: "its operation ended abnormally; settling finds out".into() })
        })
    }

    async fn run(&self, mut operation: Operation, change: Change, answer: oneshot::Sender<FileResult<FileRow>>) {
        let points = operation.points();
        let begun = Instant::now();
        let owned = match operation.announced.take() {
            Some(owned) => owned,
            None => match self.prepare(&operation, change.next(), &points).await {
                Ok(owned) => owned,
                Err(error) => {
                    // Before the answer: a refused upload has left nothing when its client hears of it.
                    drop(change);
                    let _ = answer.send(Err(error));
                    return;
                }
            },
        };
        if let Err(refused) = self.publish(&operation, change, &points).await {
            let error = self.not_published(&operation, refused, owned).await;
            let _ = answer.send(error.map_or_else(|| Ok(operation.row), Err));
            return;
        }
        self.commit(operation, begun, &points, owned, answer).await;
    }

    /// Stages what needs it and makes the intent durable. When it fails, nothing is left staged.
    async fn prepare(&self, operation: &Operation, next: Option<Bytes>, points: &Points) -> FileResult<Owned> {
        let (term, tx) = (operation.pass.term(), operation.intent.transaction_id);
        let owned = self.live.own(tx);
        // Staged in here and not by the request: a client that goes away must not leave it behind.
        let staged = next.is_some();
        if let Some(next) = next {
            self.storage.stage_attr(term, tx, next).await?;
        }
        if let Err(error) = self.announce(term, &operation.intent, points).await {
            // A new file removes what it has staged when it is dropped.
            if staged && let Err(error) = self.storage.unstage(term, tx).await {
                tracing::warn!(transaction_id = %tx, %error, "a staged description could not be removed");
            }
            return Err(error);
        }
        Ok(owned)
    }

    /// Makes the intent of a new file durable whose data comes after it.
    pub(super) async fn announce_create(&self, term: Term, intent: &WalRow) -> FileResult<()> {
        self.announce(term, intent, &points(intent.operation_type)).await
    }

    /// Makes the intent durable, or says why the operation may not be.
    async fn announce(&self, term: Term, intent: &WalRow, points: &Points) -> FileResult<()> {
        injected(points.before_intent)?;
        let deadline = Instant::now() + INTENT_PATIENCE;
        let mut pause = RETRY_FIRST;
        let verdict = loop {
            match self.catalog.intent(term, intent.clone()).await {
                // The answer may have been lost: an intent is idempotent by its transaction.
                Err(CatalogError::Unavailable { .. }) if Instant::now() + pause < deadline => {
                    sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MOST);
                }
                verdict => break verdict?,
            }
        };
        match verdict {
            IntentVerdict::Accepted => {}
            IntentVerdict::TermOver => {
                let reason = format!("term {} is over: a successor has begun", term.epoch);
                self.element.step_down(term, &reason);
                return Err(FileError::NotMaster(reason));
            }
            IntentVerdict::ModeRefuses(mode) => {
                let operation = match intent.operation_type {
                    OperationType::FileDelete => storage_element_crds::Operation::Delete,
                    OperationType::FileUpdate => storage_element_crds::Operation::Update,
                    _ => storage_element_crds::Operation::Upload,
                };
                return Err(FileError::ModeNotAllowed { mode, operation });
            }
            IntentVerdict::TransitionPrepared => return Err(FileError::TransitionInProgress),
        }
        Ok(())
    }

    /// The commit point.
    async fn publish(&self, operation: &Operation, change: Change, points: &Points) -> Result<(), PublishError> {
        let early = |error| PublishError { committed: false, error };
        injected_storage(points.after_intent).map_err(early)?;
        let term = operation.pass.term();
        // It may have come in during a term of this very process that is over.
        if self.element.term() != Some(term) {
            return Err(early(StorageError::TermOver { term }));
        }
        if let Err(lost) = self.election.check() {
            self.element.step_down(term, &lost.0);
            return Err(early(StorageError::TermOver { term }));
        }
        match change {
            Change::New(file) => file.publish().await,
            Change::Attr { before, .. } => {
                self.storage.publish_attr(term, operation.intent.transaction_id, &before).await
            }
        }
    }

    /// The change is not in place, or may be: the one is undone right here, the other left to settling, or, where a
    /// conditional put can find it out (S3), settled before anyone is told. `None` when it has happened after all.
    async fn not_published(&self, operation: &Operation, refused: PublishError, owned: Owned) -> Option<FileError> {
        let tx = operation.intent.transaction_id;
        let conditional = self.storage.order() == DataOrder::AfterIntent;
        let unknown = |error: &StorageError| FileError::OutcomeUnknown { tx, reason: error.to_string() };
        if refused.committed && !conditional {
            tracing::error!(transaction_id = %tx, error = %refused.error, "it is not known whether a change is in place");
            return Some(unknown(&refused.error));
        }
        if matches!(refused.error, StorageError::TermOver { .. }) {
            self.element.step_down(operation.pass.term(), "its term is over in the storage");
            return Some(refused.error.into());
        }
        let settled = self.settler.settle_ended(operation.pass.term(), &operation.intent).await;
        drop(owned);
        match settled {
            Ok(Settled::Undone) => Some(refused.error.into()),
            Ok(Settled::Redone) if conditional => None,
            // The error came, and yet the attr is in place: it happened.
            Ok(Settled::Redone) => Some(unknown(&refused.error)),
            other => {
                tracing::warn!(transaction_id = %tx, ?other, "a failed operation is settled later");
                Some(if refused.committed { unknown(&refused.error) } else { refused.error.into() })
            }
        }
    }

    /// Caches the row and closes the transaction. After the commit point an operation cannot fail any more: this goes
    /// on until it is done, whether or not somebody still waits for the answer.
    async fn commit(
        &self,
        mut operation: Operation,
        begun: Instant,
        points: &Points,
        owned: Owned,
        answer: oneshot::Sender<FileResult<FileRow>>,
    ) {
        let tx = operation.intent.transaction_id;
        let mut answer = Some(answer);
        let mut pause = RETRY_FIRST;
        let patience = Instant::now() + COMMIT_PATIENCE;
        let unknown = |reason: String| Err(FileError::OutcomeUnknown { tx, reason });
        loop {
            let result = match injected(points.before_commit) {
                Ok(()) => {
                    let left = patience.saturating_duration_since(Instant::now()).max(RETRY_MOST);
                    self.try_commit(&operation, begun, left).await
                }
                Err(error) => Err(error.to_string()),
            };
            let reason = match result {
                Ok(CommitVerdict::Committed) => {
                    let operation_type = operation.intent.operation_type.as_str();
                    self.metrics.wal_transaction(operation_type, WalOutcome::Committed);
                    let done = injected(points.after_commit);
                    drop(owned);
                    if let Some(answer) = answer.take() {
                        // Whatever goes wrong from here on, it has happened.
                        let _ = answer.send(match done {
                            Ok(()) => Ok(operation.row),
                            Err(error) => unknown(error.to_string()),
                        });
                    }
                    return;
                }
                Ok(CommitVerdict::TermOver) => {
                    self.element.step_down(operation.pass.term(), "a successor has begun");
                    if let Some(answer) = answer.take() {
                        let _ = answer.send(unknown("a successor has taken over and settles it".to_owned()));
                    }
                    return;
                }
                Err(reason) => reason,
            };
            tracing::warn!(transaction_id = %tx, reason, "a change is in place, the catalog does not know yet");
            if Instant::now() + pause > patience
                && let Some(answer) = answer.take()
            {
                let _ = answer.send(unknown(reason));
                // Who repeats the request is told the same, and does not wait here for the catalog.
                operation.key_lock = None;
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_MOST);
        }
    }

    async fn try_commit(&self, operation: &Operation, begun: Instant, left: Duration) -> Result<CommitVerdict, String> {
        let commit = Commit {
            transaction_id: operation.intent.transaction_id,
            row: FileRow { cached_at: Timestamp::now(), ..operation.row.clone() },
            duration_ms: i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX),
        };
        match timeout(left, self.catalog.commit(operation.pass.term(), commit)).await {
            Ok(verdict) => verdict.map_err(|error| error.to_string()),
            Err(_) => Err("the catalog has not answered".to_owned()),
        }
    }
}

fn injected(point: &'static str) -> FileResult<()> {
    failpoint::hit(point).map_err(|error| FileError::DatabaseUnavailable(error.to_string()))
}

fn injected_storage(point: &'static str) -> Result<(), StorageError> {
    failpoint::hit(point).map_err(|source| StorageError::Io { action: "pass", path: point.to_owned(), source })
}
