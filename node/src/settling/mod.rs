//! What was left behind by an interrupted operation: decide, then act.

use crate::catalog::CatalogError;
use crate::model::{TransactionId, WalRow};

/// Why a transaction could not be looked at again.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// There is no such transaction (404).
    #[error("there is no transaction {0}")]
    NotFound(TransactionId),
    /// This node may not settle now (503).
    #[error("{0}")]
    NotNow(String),
    /// The catalog does not answer (503).
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Settles interrupted operations at start, and every 10 s after.
pub struct Settler {}

impl Settler {
    /// Tries to settle one PENDING or FAILED transaction now; the row as it stands afterwards.
    pub async fn retry(&self, _tx: TransactionId) -> Result<WalRow, SettleError> {
        unimplemented!()
    }
}
