//! What SQLite says, sorted into: this row never, or not now.

use crate::catalog::CatalogError;

/// Turns what SQLite said while `action` was tried into the catalog's error.
pub(super) fn said(action: &'static str) -> impl Fn(sqlx::Error) -> CatalogError {
    move |error| sort(action, &error)
}

fn sort(action: &'static str, error: &sqlx::Error) -> CatalogError {
    let reason = error.to_string();
    match error {
        sqlx::Error::Database(answer) => {
            let code = answer.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
            if is_about_the_row(code, answer.message()) {
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

/// Result codes (<https://www.sqlite.org/rescode.html>, the low byte) that will come again for the same row: `ERROR`
/// unless the schema is not there, `TOOBIG`, `CONSTRAINT`, `MISMATCH`, `RANGE`.
fn is_about_the_row(code: u32, message: &str) -> bool {
    match code & 0xff {
        1 => !message.contains("no such table"),
        18 | 19 | 20 | 25 => true,
        _ => false,
    }
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
