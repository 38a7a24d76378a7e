//! The operator in the cluster, as `charts/kustomize` installs it, with the images that were built here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{Cluster, image};
use crate::control_plane::program;

/// Where the kustomization is.
pub fn kustomization() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/kustomize")
}

/// What the kustomization makes, as YAML.
///
/// # Errors
/// When `kubectl` refuses it.
pub fn render() -> Result<String> {
    let output =
        Command::new(program("kubectl")?).arg("kustomize").arg(kustomization()).stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "kubectl kustomize failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("YAML is text")
}

impl Cluster {
    /// Installs custom resource definition and operator, and waits until it works.
    ///
    /// # Errors
    /// When the API server refuses, or the operator does not become ready.
    pub fn install_operator(&self) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        let images = ["storage-operator", "storage-node"];
        let text = images
            .into_iter()
            .fold(render()?, |text, name| text.replace(&format!("{name}:{version}"), &image::reference(name)));
        let file = super::run_folder().join("operator.yaml");
        std::fs::write(&file, text)?;
        self.kubectl_ok(&["apply", "--server-side", "-f", &file.to_string_lossy()])?;
        self.kubectl_ok(&[
            "wait",
            "--for=condition=Established",
            "crd/storageelements.storage.artstore.dev",
            "--timeout=60s",
        ])?;
        self.wait_for("the operator", |cluster| {
            let told =
                ["-n", "storage-element-system", "rollout", "status", "deployment/storage-operator", "--timeout=2s"];
            Ok(cluster.kubectl(&told)?.status.success())
        })
    }
}
