//! An upload whose intent came before its data, as on S3: until it is published, its end is its undoing.

use std::sync::Arc;

use super::{FileError, FileResult, Inner};
use crate::element::Pass;
use crate::model::WalRow;
use crate::settling::{KeyGuard, Owned, Settled};

/// A create whose intent is durable. Dropped before [`go_on`](Self::go_on), it is undone: right away, and where that
/// does not succeed, by the settler.
pub(super) struct Announced {
    inner: Arc<Inner>,
    row: Option<Row>,
}

/// What belongs to an announced create.
pub(super) struct Row {
    pub(super) intent: WalRow,
    /// The settler leaves it alone.
    pub(super) owned: Owned,
    pub(super) file_lock: KeyGuard<uuid::Uuid>,
    pub(super) key_lock: Option<KeyGuard<(String, String)>>,
    /// Whoever waits for the gate to be empty waits until it is undone.
    pass: Pass,
}

impl Announced {
    /// Makes the intent durable, or says why the upload may not be.
    pub(super) async fn new(
        inner: &Arc<Inner>,
        pass: Pass,
        intent: WalRow,
        key_lock: Option<KeyGuard<(String, String)>>,
    ) -> FileResult<Self> {
        let owned = inner.live.own(intent.transaction_id);
        let Some(file_id) = intent.file_id else {
            return Err(FileError::Internal("an intent without a file".to_owned()));
        };
        let file_lock = inner.locks.lock(file_id).await;
        // Guarded before it is asked for: given up in between, the intent may be there.
        let row = Row { intent, owned, file_lock, key_lock, pass };
        let mut announced = Self { inner: Arc::clone(inner), row: Some(row) };
        let Some(row) = &announced.row else { return Ok(announced) };
        match inner.announce_create(row.pass.term(), &row.intent).await {
            Ok(()) => Ok(announced),
            Err(error) => {
                // Refused: there is nothing to undo. Unanswered: the settler finds out, once nobody owns it.
                announced.row = None;
                Err(error)
            }
        }
    }

    /// The upload goes on to its commit point: from here on the write protocol answers for it.
    pub(super) fn go_on(mut self) -> Option<Row> {
        self.row.take()
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let Some(row) = self.row.take() else { return };
        // Without a runtime the process is ending: the next start undoes it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let inner = Arc::clone(&self.inner);
        self.inner.running.spawn_on(async move { inner.undo(row).await }, &runtime);
    }
}

impl Inner {
    async fn undo(&self, row: Row) {
        let tx = row.intent.transaction_id;
        match self.settler.settle_ended(row.pass.term(), &row.intent).await {
            Ok(Settled::Undone | Settled::TermOver) => {}
            other => {
                tracing::warn!(transaction_id = %tx, ?other, "an upload that ended early is undone later, by settling");
            }
        }
        drop(row);
    }
}
