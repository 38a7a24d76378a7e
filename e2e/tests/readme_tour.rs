//! The README's five-minute tour does what it says: its shell blocks are run as they stand, in order, in one shell.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use storage_element_e2e::setup::free_port;

const HEADING: &str = "## A five-minute tour";
/// Where the tour's node listens; the test moves it to a free port.
const ADDRESS: &str = "127.0.0.1:8080";

#[test]
fn the_tour_works_as_written() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no workspace root")?;
    let blocks = shell_blocks(&fs::read_to_string(root.join("README.md"))?)?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let script = blocks.join("\n");
    ensure!(script.contains("-- dev"), "the tour does not start a node");
    let script = script.replace("-- dev", &format!("-- dev --listen {address}")).replace(ADDRESS, &address);

    let folder = tempfile::tempdir()?;
    let path = path_with_cargo_of(root, folder.path())?;
    let output = Command::new("timeout")
        .args(["--kill-after=10", "240", "bash"])
        .args(["-euxo", "pipefail", "-c", &format!("trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}")])
        .current_dir(folder.path())
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .context("timeout or bash is missing")?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success(),
        "the tour ended with {}:\n{script}\n--- out\n{out}\n--- err\n{err}",
        output.status
    );
    Ok(())
}

/// The fenced `sh` blocks of the tour's section.
fn shell_blocks(readme: &str) -> Result<Vec<String>> {
    let section = readme.split(HEADING).nth(1).with_context(|| format!("README.md has no section {HEADING}"))?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks: Vec<String> =
        section.split("```sh\n").skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0.to_owned())).collect();
    ensure!(blocks.len() >= 3, "the tour has only {} shell blocks", blocks.len());
    Ok(blocks)
}

/// The reader is in the repository; the test is in a folder of its own, so that it neither finds nor leaves a
/// `storage-element-data` there. This `cargo` is the real one, told where the repository is.
fn path_with_cargo_of(root: &Path, folder: &Path) -> Result<String> {
    let bin = folder.join("bin");
    fs::create_dir(&bin)?;
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into()));
    let script = format!(
        "#!/bin/sh\nsub=$1; shift\nexec {} \"$sub\" --manifest-path {}/Cargo.toml \"$@\"\n",
        cargo.display(),
        root.display()
    );
    fs::write(bin.join("cargo"), script)?;
    fs::set_permissions(bin.join("cargo"), fs::Permissions::from_mode(0o755))?;
    Ok(format!("{}:{}", bin.display(), std::env::var("PATH")?))
}
