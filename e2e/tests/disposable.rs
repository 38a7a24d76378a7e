//! The catalog is disposable; the storage is not, and is not mistaken for another.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use storage_element_e2e::{Content, Ledger, Make, Node, Started, Storage, Upload, check, on_every_make};

async fn a_deleted_catalog_is_made_again(make: Make) -> Result<()> {
    let (mut node, ledger) = node_with_history(make).await?;
    let before = term(&node).await?;
    node.stop()?;
    node.database().lose()?;
    node.start()?;
    no_lower(&before, &term(&node).await?)?;
    check::everything(&mut node, &ledger).await
}

async fn a_catalog_of_an_earlier_term_is_brought_up_to_date(make: Make) -> Result<()> {
    let (mut node, mut ledger) = node_with_history(make).await?;
    node.stop()?;
    let copy = node.folder().join("copy");
    node.database().back_up(&copy)?;

    // The later term: a new file, a changed one, a deleted one.
    node.start()?;
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    send(&mut ledger, &node, "later").await?;
    ledger.describe(&user, "kept", "changed later").await?.context("no answer")?.expect(200)?;
    ledger.delete(&operator, "doomed").await?.context("no answer")?.expect(204)?;
    let before = term(&node).await?;
    node.stop()?;

    node.database().restore(&copy)?;
    node.start()?;
    no_lower(&before, &term(&node).await?)?;
    check::everything(&mut node, &ledger).await
}

async fn the_more_restrictive_mode_wins_over_an_earlier_catalog(make: Make) -> Result<()> {
    let mut node = make.setup().setting("element.mode", "rw").start()?;
    let mut ledger = Ledger::new();
    send(&mut ledger, &node, "kept").await?;
    node.stop()?;
    // As a step forward leaves it when the process is killed between the element's file and the catalog's row.
    let mut element = node.storage().element_file().await?;
    element["mode"] = json!("ro");
    node.storage().write(".element/element.json", serde_json::to_vec_pretty(&element)?).await?;

    node.start()?;
    ensure!(term(&node).await?.1 == "ro", "the element went back to a looser mode");
    let refused = node.client("user")?.upload(&Upload::new("x", Content::bytes("x"))).await?;
    ensure!(refused.status == 409 && refused.code() == "MODE_NOT_ALLOWED", "an upload in ro was answered {refused}");
    ledger.compare(&node.client("user")?).await
}

async fn an_empty_place_where_the_files_should_be_is_refused(make: Make) -> Result<()> {
    let (mut node, ledger) = node_with_history(make).await?;
    node.stop()?;
    let (storage, aside) = (node.storage().clone(), node.storage().another(node.folder(), "aside")?);
    storage.move_to(&aside).await?;
    refused(&mut node, &[&storage.place()])?;
    // The lock of a bucket is an object; it is given back.
    let written: Vec<_> = storage.names().await?.into_keys().filter(|name| name != ".element/claim").collect();
    ensure!(written.is_empty(), "something was written to a storage that was refused: {written:?}");

    if let Storage::Folder(root) = &storage {
        fs::remove_dir(root)?;
    }
    aside.move_to(&storage).await?;
    node.start()?;
    check::everything(&mut node, &ledger).await
}

async fn another_elements_storage_or_catalog_is_refused(make: Make) -> Result<()> {
    let (mut mine, ledger) = node_with_history(make).await?;
    let (mut other, _) = node_with_history(make).await?;
    mine.stop()?;
    other.stop()?;
    let (my_id, other_id) = (element_id(&mine).await?, element_id(&other).await?);

    exchange(&mine, &other).await?;
    refused(&mut mine, &[&other_id])?;
    exchange(&mine, &other).await?;

    mine.database().exchange(other.database())?;
    refused(&mut mine, &[&other_id])?;
    mine.database().exchange(other.database())?;

    mine.start()?;
    ensure!(element_id(&mine).await? == my_id, "the element has another id than before");
    check::everything(&mut mine, &ledger).await
}

/// Puts the files of each where the other's were.
async fn exchange(one: &Node, two: &Node) -> Result<()> {
    let aside = one.storage().another(one.folder(), "aside")?;
    for (from, to) in [(one.storage(), &aside), (two.storage(), one.storage()), (&aside, two.storage())] {
        if let Storage::Folder(root) = to {
            // A folder is moved to where none is.
            let _ = fs::remove_dir(root);
        }
        from.move_to(to).await?;
    }
    if let Storage::Folder(root) = &aside {
        fs::remove_dir(root)?;
    }
    Ok(())
}

/// A node with a file, a changed file and a deleted one.
async fn node_with_history(make: Make) -> Result<(Node, Ledger)> {
    let (node, mut ledger) = (make.setup().start()?, Ledger::new());
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
    let kept = node.storage().element_file().await?;
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

async fn element_id(node: &Node) -> Result<String> {
    Ok(node.storage().element_file().await?["element_id"].as_str().context("no element_id")?.to_owned())
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

on_every_make!(
    a_deleted_catalog_is_made_again,
    a_catalog_of_an_earlier_term_is_brought_up_to_date,
    the_more_restrictive_mode_wins_over_an_earlier_catalog,
    an_empty_place_where_the_files_should_be_is_refused,
    another_elements_storage_or_catalog_is_refused
);
