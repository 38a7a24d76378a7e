//! The checks that the other tests rely on see what they have to see: each kind of damage, done on purpose, turns them
//! red.

use anyhow::{Context, Result, ensure};
use storage_element_e2e::storage::ATTR_SUFFIX;
use storage_element_e2e::{Content, Ledger, Make, Node, Storage, Upload, check, on_every_make};

async fn a_changed_byte_is_seen(make: Make) -> Result<()> {
    let (mut node, ledger) = node_with_a_file(make).await?;
    node.stop()?;
    let data = only_data_file(node.storage()).await?;
    let mut bytes = node.storage().read(&data).await?.context("no data")?.to_vec();
    bytes[0] ^= 1;
    node.storage().write(&data, bytes).await?;
    check::storage_is_tidy(&node).await?;
    is_found(&node)?;
    node.start()?;
    ensure!(ledger.compare(&node.client("user")?).await.is_err(), "the ledger takes other bytes for the right ones");
    Ok(())
}

async fn missing_halves_are_seen(make: Make) -> Result<()> {
    let (mut node, _) = node_with_a_file(make).await?;
    node.stop()?;
    let data = only_data_file(node.storage()).await?;
    for half in [data.clone(), format!("{data}{ATTR_SUFFIX}")] {
        let bytes = node.storage().read(&half).await?.with_context(|| half.clone())?;
        node.storage().remove(&half).await?;
        ensure!(check::storage_is_tidy(&node).await.is_err(), "{half} is missing and not missed");
        is_found(&node)?;
        node.storage().write(&half, bytes).await?;
    }
    check::verify_finds_nothing(&node).map(drop)
}

async fn what_is_left_on_its_way_is_seen(make: Make) -> Result<()> {
    let (mut node, _) = node_with_a_file(make).await?;
    node.stop()?;
    match node.storage() {
        Storage::Folder(_) => node.storage().write(".staging/1-0123456789abcdef/left.data", "left").await?,
        Storage::Bucket(bucket) => {
            let begin = bucket.client().create_multipart_upload().bucket(bucket.name()).key(bucket.key("left.data"));
            begin.send().await?;
        }
    }
    ensure!(check::storage_is_tidy(&node).await.is_err(), "what is left on its way is not seen");
    Ok(())
}

async fn the_ledger_misses_lost_files_and_sees_strange_ones(make: Make) -> Result<()> {
    let (node, ledger) = node_with_a_file(make).await?;
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    ensure!(Ledger::new().compare(&user).await.is_err(), "a file nobody sent is not seen");
    let id = ledger.id("file")?;
    operator.delete(&id).await?.expect(204)?;
    ensure!(ledger.compare(&user).await.is_err(), "a lost file is not missed");
    Ok(())
}

async fn node_with_a_file(make: Make) -> Result<(Node, Ledger)> {
    let (node, mut ledger) = (make.setup().start()?, Ledger::new());
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

async fn only_data_file(storage: &Storage) -> Result<String> {
    let names = storage.names().await?.into_keys();
    let mut data = names.filter(|name| !name.starts_with('.') && !name.ends_with(ATTR_SUFFIX));
    data.next().context("no data")
}

on_every_make!(
    a_changed_byte_is_seen,
    missing_halves_are_seen,
    what_is_left_on_its_way_is_seen,
    the_ledger_misses_lost_files_and_sees_strange_ones
);
