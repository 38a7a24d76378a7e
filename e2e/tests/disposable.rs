//! The catalog is disposable; the volume is not, and is not mistaken for another.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use storage_element_e2e::{Content, Ledger, Node, Setup, Started, Upload, check, volume};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_catalog_is_made_again() -> Result<()> {
    let (mut node, ledger) = node_with_history().await?;
    let before = term(&node).await?;
    node.stop()?;
    fs::remove_dir_all(node.catalog())?;
    fs::create_dir(node.catalog())?;
    node.start()?;
    no_lower(&before, &term(&node).await?)?;
    check::everything(&mut node, &ledger).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_of_an_earlier_term_is_brought_up_to_date() -> Result<()> {
    let (mut node, mut ledger) = node_with_history().await?;
    node.stop()?;
    let copy = node.folder().join("copy");
    copy_folder(&node.catalog(), &copy)?;

    // The later term: a new file, a changed one, a deleted one.
    node.start()?;
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    send(&mut ledger, &node, "later").await?;
    ledger.describe(&user, "kept", "changed later").await?.context("no answer")?.expect(200)?;
    ledger.delete(&operator, "doomed").await?.context("no answer")?.expect(204)?;
    let before = term(&node).await?;
    node.stop()?;

    fs::remove_dir_all(node.catalog())?;
    copy_folder(&copy, &node.catalog())?;
    node.start()?;
    no_lower(&before, &term(&node).await?)?;
    check::everything(&mut node, &ledger).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_more_restrictive_mode_wins_over_an_earlier_catalog() -> Result<()> {
    let mut node = Setup::new().setting("element.mode", "rw").start()?;
    let mut ledger = Ledger::new();
    send(&mut ledger, &node, "kept").await?;
    node.stop()?;
    // As a step forward leaves it when the process is killed between the element's file and the catalog's row.
    let path = node.volume().join(".element/element.json");
    let mut element = volume::element_file(node.volume())?;
    element["mode"] = json!("ro");
    fs::write(&path, serde_json::to_vec_pretty(&element)?)?;

    node.start()?;
    ensure!(term(&node).await?.1 == "ro", "the element went back to a looser mode");
    let refused = node.client("user")?.upload(&Upload::new("x", Content::bytes("x"))).await?;
    ensure!(refused.status == 409 && refused.code() == "MODE_NOT_ALLOWED", "an upload in ro was answered {refused}");
    ledger.compare(&node.client("user")?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_folder_where_the_volume_should_be_is_refused() -> Result<()> {
    let (mut node, ledger) = node_with_history().await?;
    node.stop()?;
    let aside = node.folder().join("aside");
    fs::rename(node.volume(), &aside)?;
    fs::create_dir(node.volume())?;
    let place = node.volume().display().to_string();
    refused(&mut node, &[&place])?;
    ensure!(fs::read_dir(node.volume())?.next().is_none(), "something was written to a volume that was refused");

    fs::remove_dir(node.volume())?;
    fs::rename(&aside, node.volume())?;
    node.start()?;
    check::everything(&mut node, &ledger).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_elements_volume_or_catalog_is_refused() -> Result<()> {
    let (mut mine, ledger) = node_with_history().await?;
    let (mut other, _) = node_with_history().await?;
    mine.stop()?;
    other.stop()?;
    let (my_id, other_id) = (element_id(&mine)?, element_id(&other)?);

    let (my_aside, other_aside) = (mine.folder().join("aside"), other.folder().join("aside"));
    fs::rename(mine.volume(), &my_aside)?;
    fs::rename(other.volume(), mine.volume())?;
    refused(&mut mine, &[&other_id])?;
    fs::rename(mine.volume(), other.volume())?;
    fs::rename(&my_aside, mine.volume())?;

    fs::rename(mine.catalog(), &my_aside)?;
    fs::rename(other.catalog(), mine.catalog())?;
    refused(&mut mine, &[&other_id])?;
    fs::rename(mine.catalog(), &other_aside)?;
    fs::rename(&my_aside, mine.catalog())?;

    mine.start()?;
    ensure!(element_id(&mine)? == my_id, "the element has another id than before");
    check::everything(&mut mine, &ledger).await
}

/// A node with a file, a changed file and a deleted one.
async fn node_with_history() -> Result<(Node, Ledger)> {
    let (node, mut ledger) = (Setup::new().start()?, Ledger::new());
    for label in ["kept", "changed", "doomed", "deleted"] {
        send(&mut ledger, &node, label).await?;
    }
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    ledger.describe(&user, "changed", "a new description").await?.context("no answer")?.expect(200)?;
    ledger.delete(&operator, "deleted").await?.context("no answer")?.expect(204)?;
    Ok((node, ledger))
}

async fn send(ledger: &mut Ledger, node: &Node, label: &str) -> Result<()> {
    let upload = Upload::new(format!("{label}.txt"), Content::bytes(label.repeat(100)));
    ledger.upload(&node.client("user")?, label, upload).await?.context("no answer")?.expect(201)?;
    Ok(())
}

/// Epoch and mode, as the node says and as its volume says.
async fn term(node: &Node) -> Result<(u64, String)> {
    let told = node.client("admin")?.get("/api/v1/admin/mode").await?.expect(200)?.json()?;
    let kept = volume::element_file(node.volume())?;
    ensure!(told["epoch"] == kept["epoch"], "the node says {told}, its volume {kept}");
    ensure!(told["mode"] == kept["mode"], "the node says {told}, its volume {kept}");
    let mode = told["mode"].as_str().context("no mode")?.to_owned();
    Ok((told["epoch"].as_u64().context("no epoch")?, mode))
}

fn no_lower(before: &(u64, String), after: &(u64, String)) -> Result<()> {
    ensure!(after.0 > before.0, "the epoch was {}, after a start it is {}", before.0, after.0);
    ensure!(after.1 == before.1, "the mode was {}, now it is {}", before.1, after.1);
    Ok(())
}

fn element_id(node: &Node) -> Result<String> {
    Ok(volume::element_file(node.volume())?["element_id"].as_str().context("no element_id")?.to_owned())
}

/// The node ends at its start, not with 0, and what it says names each of these.
fn refused(node: &mut Node, named: &[&str]) -> Result<()> {
    let before = node.log().len();
    let Started::Exited(status) = node.try_start()? else { anyhow::bail!("the node serves what it should refuse") };
    ensure!(!status.success(), "the refusal has exit status 0");
    let said = node.log().split_off(before);
    for name in named {
        ensure!(said.contains(name), "the refusal does not name {name}: {said}");
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
