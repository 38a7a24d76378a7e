//! Connections that read, to the file that stands at the path now.

use std::sync::Arc;

use sqlx::SqlitePool;

use super::SqliteCatalog;
use super::open::{FileIdentity, Place};
use crate::catalog::CatalogResult;

/// A pool and the file it reads.
pub(super) struct Readers {
    pub(super) pool: SqlitePool,
    identity: FileIdentity,
}

impl Readers {
    pub(super) fn new(place: &Place, identity: FileIdentity) -> Self {
        Self { pool: place.readers(), identity }
    }
}

impl SqliteCatalog {
    /// The pool. When another file stands at the path, one for that file: an open file would be read on although
    /// nobody can see it any more.
    pub(super) fn read(&self) -> CatalogResult<SqlitePool> {
        let identity = self.place.identity()?;
        let readers = self.readers.load();
        if readers.identity == identity {
            return Ok(readers.pool.clone());
        }
        self.remembered.forget_all();
        let fresh = Arc::new(Readers::new(&self.place, identity));
        self.readers.store(Arc::clone(&fresh));
        Ok(fresh.pool.clone())
    }
}
