//! What PostgreSQL says, sorted into: this row never, or not now.

use crate::catalog::CatalogError;

/// Turns what PostgreSQL said while `action` was tried into the catalog's error.
pub(super) fn said(action: &'static str) -> impl Fn(sqlx::Error) -> CatalogError {
    move |error| sort(action, &error)
}

fn sort(action: &'static str, error: &sqlx::Error) -> CatalogError {
    // The message alone: details and hints repeat values of rows.
    let reason = error.to_string();
    match error {
        sqlx::Error::Database(answer) => {
            if answer.code().is_some_and(|code| is_about_the_row(&code)) {
                CatalogError::Refused { action, reason }
            } else {
                CatalogError::Unavailable { action, reason }
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            CatalogError::Corrupt { what: format!("answer to \"{action}\""), reason }
        }
        sqlx::Error::Encode(_) => CatalogError::Refused { action, reason },
        _ => CatalogError::Unavailable { action, reason },
    }
}

/// Classes of SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) that will come again for the same
/// row: 22 data exception, 23 integrity constraint, 54 program limit (a value too long for an index). Deadlocks,
/// time-outs, ended sessions, missing tables and a server that starts or stops are none of the row's doing.
fn is_about_the_row(code: &str) -> bool {
    ["22", "23", "54"].iter().any(|class| code.starts_with(class))
}

/// The same error once more, for each one that waited for the same group.
pub(super) fn again(error: &CatalogError) -> CatalogError {
    match error {
        CatalogError::Unavailable { action, reason } => CatalogError::Unavailable { action, reason: reason.clone() },
        CatalogError::Refused { action, reason } => CatalogError::Refused { action, reason: reason.clone() },
        CatalogError::SchemaNewer { found, known } => CatalogError::SchemaNewer { found: *found, known: *known },
        CatalogError::SchemaOlder { found, wanted } => CatalogError::SchemaOlder { found: *found, wanted: *wanted },
        CatalogError::Corrupt { what, reason } => CatalogError::Corrupt { what: what.clone(), reason: reason.clone() },
    }
}
