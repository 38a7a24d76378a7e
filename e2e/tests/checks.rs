//! The checks that the other tests rely on see what they have to see: each kind of damage, done on purpose, turns them
//! red.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use storage_element_e2e::{Content, Ledger, Node, Setup, Upload, check};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_byte_is_seen() -> Result<()> {
    let (mut node, ledger) = node_with_a_file().await?;
    node.stop()?;
    let data = only_data_file(node.volume())?;
    let mut bytes = fs::read(&data)?;
    bytes[0] ^= 1;
    fs::write(&data, bytes)?;
    check::volume_is_tidy(&node)?;
    is_found(&node)?;
    node.start()?;
    ensure!(ledger.compare(&node.client("user")?).await.is_err(), "the ledger takes other bytes for the right ones");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_halves_are_seen() -> Result<()> {
    let (mut node, _) = node_with_a_file().await?;
    node.stop()?;
    let data = only_data_file(node.volume())?;
    let attr = PathBuf::from(format!("{}.attr.json", data.display()));
    let aside = node.folder().join("aside");
    for half in [data, attr] {
        fs::rename(&half, &aside)?;
        ensure!(check::volume_is_tidy(&node).is_err(), "{} is missing and not missed", half.display());
        is_found(&node)?;
        fs::rename(&aside, &half)?;
    }
    check::verify_finds_nothing(&node).map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_in_staging_is_seen() -> Result<()> {
    let (mut node, _) = node_with_a_file().await?;
    node.stop()?;
    let term = node.volume().join(".staging/1-0123456789abcdef");
    fs::create_dir_all(&term)?;
    fs::write(term.join("left.data"), "left")?;
    ensure!(check::volume_is_tidy(&node).is_err(), "a file left in staging is not seen");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_misses_lost_files_and_sees_strange_ones() -> Result<()> {
    let (node, ledger) = node_with_a_file().await?;
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    ensure!(Ledger::new().compare(&user).await.is_err(), "a file nobody sent is not seen");
    let id = ledger.id("file")?;
    operator.delete(&id).await?.expect(204)?;
    ensure!(ledger.compare(&user).await.is_err(), "a lost file is not missed");
    Ok(())
}

async fn node_with_a_file() -> Result<(Node, Ledger)> {
    let (node, mut ledger) = (Setup::new().start()?, Ledger::new());
    let upload = Upload::new("file.txt", Content::bytes("the content"));
    ledger.upload(&node.client("user")?, "file", upload).await?.context("no answer")?.expect(201)?;
    Ok((node, ledger))
}

/// `verify --deep` says so, with exit status 1.
fn is_found(node: &Node) -> Result<()> {
    let output = node.command("verify").args(["--deep", "--json"]).output()?;
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1), "verify ended with {}: {report}", output.status);
    ensure!(check::verify_finds_nothing(node).is_err(), "the check takes findings for none: {report}");
    Ok(())
}

fn only_data_file(volume: &Path) -> Result<PathBuf> {
    let mut folders = vec![volume.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') {
                folders.push(path);
            } else if path.is_file() && !name.ends_with(".attr.json") {
                return Ok(path);
            }
        }
    }
    anyhow::bail!("no data file below {}", volume.display())
}
