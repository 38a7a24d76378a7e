//! Numbers that an answer can do without.

use std::time::Duration;

use crate::catalog::CatalogResult;

/// How long the catalog may take for a number that an answer can do without.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the catalog says, if it says it soon: info and metrics answer also while it hangs.
pub async fn soon<T>(answer: impl Future<Output = CatalogResult<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, answer).await.ok()?.ok()
}
