//! `storage-operator crd`.

use std::io::Write as _;

/// Prints the CustomResourceDefinition.
///
/// # Errors
/// When standard output is closed.
pub fn print() -> anyhow::Result<()> {
    std::io::stdout().lock().write_all(storage_element_crds::yaml()?.as_bytes())?;
    Ok(())
}
