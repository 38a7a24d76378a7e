//! When the catalog has not answered: reads by id go on from the attr files, and stay on them until what was under way
//! is settled, so that no reader sees a file's revision go back.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Files;
use crate::model::Timestamp;

/// How often a catalog that does not answer is asked again.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// An announced operation that is older than this is one that waits for the catalog.
const UNSURE_MICROS: i64 = 3_000_000;
/// How often a catalog that nobody has found silent is asked, and how long it may take: so that not each reader has to
/// find out by waiting.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Files {
    /// Watches over outages of the catalog until told to stop: after each one settles, and only then lets reads take the
    /// catalog's word again.
    pub async fn watch_catalog(self, stop: CancellationToken) {
        let watch = async {
            loop {
                tokio::select! {
                    () = self.inner.element.catalog_distrusted() => {}
                    () = self.silence() => {
                        self.inner.element.distrust_catalog();
                        continue;
                    }
                }
                tracing::warn!("the catalog does not answer: reads by id go on from the attr files");
                while !self.settled_again().await {
                    tokio::time::sleep(ASK_EVERY).await;
                }
                self.inner.element.trust_catalog();
                tracing::info!("the catalog answers again, and what was under way is settled");
            }
        };
        let _ = stop.run_until_cancelled(watch).await;
    }

    /// Whether the master, which may have seen the same outage, has told the catalog what it did during it.
    async fn master_has_settled(&self) -> bool {
        // Its clock is another machine's: what began in the last seconds may be of before or after.
        let unsure = Timestamp::from_micros(Timestamp::now().micros() - UNSURE_MICROS);
        self.inner.catalog.wal_pending().await.is_ok_and(|log| log.oldest.is_none_or(|oldest| oldest > unsure))
    }

    /// Returns when the catalog, trusted so far, does not answer.
    async fn silence(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let answers = tokio::time::timeout(LOOK_EVERY, self.inner.catalog.ping()).await;
            if self.inner.element.catalog_trusted() && !matches!(answers, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Whether the catalog answers and knows everything that was under way when it did not.
    async fn settled_again(&self) -> bool {
        let inner = &self.inner;
        // Operations that wait to tell the catalog what they have done: not those that begin from now on.
        let under_way = inner.live.snapshot();
        if inner.catalog.ping().await.is_err() {
            return false;
        }
        let settled = match inner.element.term() {
            Some(term) => inner.settler.round(term).await.is_ok_and(|round| round.failed == 0),
            None => self.master_has_settled().await,
        };
        if !settled || inner.element.needs_rebuild() {
            return false;
        }
        under_way.into_iter().all(|tx| !inner.live.owns(tx))
    }
}
