//! Finds the programs under test, which cargo built beside the running test.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The node as people run it.
pub const NODE: &str = "storage-node";

/// The node with the named fail points compiled in.
pub const NODE_WITH_FAILPOINTS: &str = "storage-node-failpoints";

/// The folder of the programs under test, where they are not beside the tests: `make large` lets a test that is built in
/// a moment hold a released program to its pace.
const ELSEWHERE: &str = "E2E_PROGRAMS";

/// Whether the programs under test are built as they are released.
pub fn are_optimised() -> bool {
    std::env::var_os(ELSEWHERE).is_some() || !cfg!(debug_assertions)
}

/// Where the program `name` is: in the folder that `E2E_PROGRAMS` names, that of the running executable or, for tests
/// (which live in `deps/`), the folder above.
///
/// # Errors
/// When it was not built; the message says how to build it.
pub fn find(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the running test has no path")?;
    let elsewhere = std::env::var_os(ELSEWHERE).map(PathBuf::from);
    let beside = own.ancestors().skip(1).take(2).map(Path::to_owned);
    let folders = elsewhere.map_or_else(|| beside.collect(), |folder| vec![folder]);
    if let Some(found) = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()) {
        return Ok(found);
    }
    bail!(
        "{name} was not found beside {}: run `make test`, or build it with `{}`",
        own.display(),
        how_to_build(name, &own)
    )
}

fn how_to_build(name: &str, own: &Path) -> String {
    let profile = if own.components().any(|part| part.as_os_str() == "release") { " --release" } else { "" };
    let features = if name == NODE_WITH_FAILPOINTS { " --features failpoints" } else { "" };
    format!("cargo build{profile} -p storage-node{features} --bin {name}")
}
