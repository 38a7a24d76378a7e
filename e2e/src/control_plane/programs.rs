//! Where the programs of a control plane are: built once into the project's cache folder by `e2e/tools/build`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The program `name` (`etcd`, `kube-apiserver`, `kubectl`…), built now if it was not.
///
/// # Errors
/// When it cannot be built; what the build printed says why.
pub fn program(name: &str) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/build");
    let built = Command::new(&script)
        .arg(name)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{} could not be run", script.display()))?;
    ensure!(
        built.status.success(),
        "{name} cannot be built: install Go, or name a cluster with {}",
        super::KUBECONFIG_VARIABLE
    );
    let folder = String::from_utf8(built.stdout).context("the build prints a folder")?;
    Ok(Path::new(folder.trim()).join(name))
}
