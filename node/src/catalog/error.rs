//! What can go wrong in a catalog.

/// What can go wrong in a catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It does not answer, or answered that it cannot now. Whether a write happened is not known.
    #[error("the catalog could not {action}: {reason}")]
    Unavailable {
        /// What was tried.
        action: &'static str,
        /// What the database said, without values of rows.
        reason: String,
    },
    /// It refuses this one row, and will again.
    #[error("the catalog refuses to {action}: {reason}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// What the database said, without values of rows.
        reason: String,
    },
    /// Its schema is newer than this program knows how to use.
    #[error(
        "the catalog's schema has version {found}, this program knows version {known} and can use one newer at most: \
         install the newer program"
    )]
    SchemaNewer {
        /// Found.
        found: i64,
        /// Known here.
        known: i64,
    },
    /// It has no schema yet, or an older one, and this caller may not change it.
    #[error("the catalog's schema has version {found}, version {wanted} is needed: run `storage-node migrate`")]
    SchemaOlder {
        /// Found.
        found: i64,
        /// Wanted.
        wanted: i64,
    },
    /// What stands in a row cannot be read.
    #[error("the catalog's {what} cannot be read: {reason}")]
    Corrupt {
        /// Which row.
        what: String,
        /// Why.
        reason: String,
    },
}

/// A result of the catalog.
pub type CatalogResult<T> = Result<T, CatalogError>;
