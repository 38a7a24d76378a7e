//! A part that dies and recovers, is restored from a backup, is exchanged for an empty one or for another element's: what
//! can be made again is made again, what does not belong together is refused with a sentence that names both.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use storage_element_e2e::{Content, Make, Node, Postgres, Setup, Started, Upload, check};

use super::account::Account;
use super::behind::{Behind, Locks, until};
use super::workload::{self, Crew};

const WORKERS: u64 = 4;
const A_WHILE: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_database_that_is_killed_under_load_recovers_with_all_that_was_acknowledged() -> Result<()> {
    let server = Arc::new(Postgres::start());
    let mut behind = Behind::start(Make::PostgresS3, 60, Some(&server), Locks::Suffer)?;
    let (account, crew) = (Account::default(), Crew::of(&behind.node)?);
    for round in 0..2 {
        let killed = async {
            tokio::time::sleep(A_WHILE / 2).await;
            let (dying, recovering) = (Arc::clone(&server), Arc::clone(&server));
            tokio::task::spawn_blocking(move || dying.kill()).await?;
            tokio::time::sleep(A_WHILE / 2).await;
            tokio::task::spawn_blocking(move || recovering.recover()).await.context("it recovers")
        };
        let load = workload::busy(&crew, &account, 60 + round, WORKERS, A_WHILE * 2);
        behind.supervised(async { tokio::try_join!(killed, load).map(drop) }).await?;
        behind.recovered().await?;
        account.compare(&crew.user).await?;
    }
    Ok(())
}

/// Works on an element for a while, each time it is started, and returns what is known of its files.
async fn worked(node: &Node, account: &Account, seed: u64) -> Result<()> {
    workload::busy(&Crew::of(node)?, account, seed, WORKERS, A_WHILE).await
}

async fn is_as_known(node: &mut Node, account: &Account) -> Result<()> {
    check::wal_is_settled(node).await?;
    account.compare(&node.client("user")?).await?;
    node.stop()?;
    check::verify_finds_nothing(node)?;
    Ok(())
}

/// The backup is of the first term; files were added, changed and deleted in the second.
async fn a_restored_catalog(make: Make) -> Result<()> {
    let (mut node, account) = (make.setup().start()?, Account::default());
    worked(&node, &account, 70).await?;
    node.stop()?;
    let copy = node.folder().join("copy");
    node.database().back_up(&copy)?;
    node.start()?;
    worked(&node, &account, 71).await?;
    check::wal_is_settled(&node).await?;
    node.kill()?;
    node.database().restore(&copy)?;
    node.start()?;
    ensure!(node.log().contains("it is made again from the attr files"), "it was not rebuilt");
    // Ready, it lists everything.
    is_as_known(&mut node, &account).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_restored_from_an_earlier_term_is_rebuilt_before_ready_in_a_bucket() -> Result<()> {
    a_restored_catalog(Make::PostgresS3).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_restored_from_an_earlier_term_is_rebuilt_before_ready_in_a_folder() -> Result<()> {
    a_restored_catalog(Make::PostgresLocal).await
}

/// An empty catalog adopts the storage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_catalog_adopts_what_is_there() -> Result<()> {
    for make in [Make::PostgresS3, Make::PostgresLocal] {
        let (mut node, account) = (make.setup().start()?, Account::default());
        worked(&node, &account, 72).await?;
        check::wal_is_settled(&node).await?;
        node.kill()?;
        node.database().lose()?;
        node.start()?;
        is_as_known(&mut node, &account).await?;
    }
    Ok(())
}

/// Starts a node that has to end by itself, and says why.
fn refused(node: &mut Node, names: &[&str]) -> Result<()> {
    let before = node.log().len();
    let started = node.try_start()?;
    let Started::Exited(status) = started else { anyhow::bail!("it serves") };
    ensure!(!status.success(), "it ended with {status}");
    let said = node.log().split_off(before);
    for name in names {
        ensure!(said.contains(name), "it does not say {name:?}: {said}");
    }
    Ok(())
}

/// The element's id.
async fn id(node: &Node) -> Result<String> {
    let info = node.client("user")?.get("/api/v1/info").await?.expect(200)?.json()?;
    Ok(info["element_id"].as_str().with_context(|| format!("no element_id: {info}"))?.to_owned())
}

/// An empty bucket, or a volume that is not mounted, is not taken for an element without files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_storage_with_a_catalog_that_is_not_is_refused() -> Result<()> {
    for make in [Make::PostgresS3, Make::PostgresLocal] {
        let mut node = make.setup().start()?;
        let id = id(&node).await?;
        node.client("user")?.upload(&Upload::new("a.txt", Content::bytes("a"))).await?.expect(201)?;
        node.stop()?;
        for name in node.storage().names().await?.into_keys() {
            node.storage().remove(&name).await?;
        }
        refused(&mut node, &["is the right volume mounted", &id])?;
        // Not a byte was written to either.
        let written: Vec<String> =
            node.storage().names().await?.into_keys().filter(|name| name.ends_with(".json")).collect();
        ensure!(written.is_empty(), "it wrote {written:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_elements_in_one_schema_are_refused() -> Result<()> {
    let mut first = Make::PostgresS3.setup().start()?;
    let first_id = id(&first).await?;
    // While the first serves, by its lock; afterwards by its name.
    let mut second = Make::PostgresS3.setup().database(first.database().clone()).prepare()?;
    refused(&mut second, &["is served by another process"])?;
    first.stop()?;
    refused(&mut second, &["the configuration names element", &first_id])?;
    let mut nameless =
        Make::PostgresS3.setup().database(first.database().clone()).setting("element.id", Value::Null).prepare()?;
    refused(&mut nameless, &[&first_id, "is the right volume mounted"])?;
    // One that has files of its own.
    let mut third = Make::PostgresS3.setup().start()?;
    let third_id = id(&third).await?;
    third.stop()?;
    let (storage, database) = (third.storage().clone(), first.database().clone());
    let mut mixed = Setup::new().storage(storage).database(database).setting("element.id", Value::Null).prepare()?;
    refused(&mut mixed, &[&first_id, &third_id, "one of the two is another element's"])?;
    // Each by itself is as it was.
    first.start()?;
    third.start()
}

/// A prefix that another process serves, with another catalog: there is no lock that both could know of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_prefix_is_served_by_one_process_whatever_the_catalogs() -> Result<()> {
    let (mut first, account) = (Make::PostgresS3.setup().start()?, Account::default());
    let other = || {
        let id = Value::Null;
        Make::SqliteS3.setup().storage(first.storage().clone()).setting("element.id", id).prepare()
    };
    let mut second = other()?;
    let (looked, worked_on) = tokio::join!(
        async { tokio::task::block_in_place(|| refused(&mut second, &[".element/claim", "is locked", "process"])) },
        worked(&first, &account, 80)
    );
    looked?;
    worked_on?;
    // Frozen, it renews nothing: the second takes over after a while, and fences it.
    first.signal(Signal::STOP)?;
    tokio::task::block_in_place(|| second.start())?;
    worked(&second, &account, 81).await?;
    first.signal(Signal::CONT)?;
    until("the first ends by itself", async || Ok(!first.is_running()?)).await?;
    refused(&mut first, &[".element/claim", "is locked"])?;
    check::wal_is_settled(&second).await?;
    account.compare(&second.client("user")?).await?;
    // Stopped, it gives the prefix back, and the first, whose catalog is older now, makes it again.
    second.stop()?;
    first.start()?;
    is_as_known(&mut first, &account).await
}
