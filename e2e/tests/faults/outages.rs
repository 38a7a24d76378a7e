//! A part that is gone, silent, slow or failing for a while, under load: readiness says which one, what needs it not goes
//! on, and all returns by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use storage_element_e2e::{Answer, Content, Make, Upload, Weather};

use super::account::Account;
use super::behind::{Behind, Locks, part, until};
use super::workload::{self, Crew};

const WORKERS: u64 = 4;
/// Work before, during and after.
const A_WHILE: Duration = Duration::from_secs(2);

/// How long a read by id may take that is the first to notice.
const FIRST_READS: Duration = Duration::from_secs(30);

/// A file that is there before anything fails.
struct Before {
    id: String,
    sha256: String,
}

async fn before(crew: &Crew, account: &Account) -> Result<Before> {
    let content = Content::bytes("there before anything failed");
    let sha256 = content.sha256()?;
    account.sending("before", &sha256);
    let answer = crew.user.upload(&Upload::new("before.txt", content).field("version", "before")).await?.expect(201)?;
    account.uploaded("before", &sha256, Some(&answer))?;
    Ok(Before { id: answer.file_id()?, sha256 })
}

impl Before {
    async fn is_read(&self, crew: &Crew) -> Result<()> {
        crew.user.metadata(&self.id).await?.expect(200)?;
        let (status, sha256, _) = crew.user.download_digest(&self.id).await?;
        ensure!((status, &sha256) == (200, &self.sha256), "a download was answered {status}");
        Ok(())
    }
}

fn says(what: &str, answer: &Answer, code: &str) -> Result<()> {
    ensure!((answer.status, answer.code().as_str()) == (503, code), "{what} was answered {answer}");
    ensure!(answer.header("retry-after").is_some(), "{what} does not say when to come again");
    Ok(())
}

/// One outage under load: `look` is what has to hold while it lasts.
async fn outage(
    behind: &mut Behind,
    account: &Account,
    seed: u64,
    begin: impl Fn(&Behind),
    look: impl AsyncFnOnce(&Crew) -> Result<()>,
) -> Result<()> {
    let crew = Crew::of(&behind.node)?;
    behind.supervised(workload::busy(&crew, account, seed, WORKERS, A_WHILE)).await?;
    begin(behind);
    let load = workload::busy(&crew, account, seed + 1000, WORKERS, A_WHILE);
    behind
        .supervised(async {
            let (looked, loaded) = tokio::join!(look(&crew), load);
            looked.context("while it lasts")?;
            loaded.context("load while it lasts")
        })
        .await?;
    behind.set(Weather::Fair);
    behind.recovered().await.context("afterwards")?;
    behind.quiet().await?;
    behind.supervised(workload::busy(&crew, account, seed + 2000, WORKERS, A_WHILE / 2)).await?;
    behind.recovered().await?;
    account.compare(&crew.user).await
}

/// The catalog is away while its lock stands: files are read by id, the rest says when to come again.
async fn the_database(make: Make, weather: Weather) -> Result<()> {
    let (mut behind, account) = (Behind::start(make, 1, None, Locks::Pass)?, Account::default());
    let crew = Crew::of(&behind.node)?;
    let before = before(&crew, &account).await?;
    let begin = |behind: &Behind| behind.database.as_ref().map_or((), |proxy| proxy.set(weather));
    outage(&mut behind, &account, 10, begin, async |crew| {
        // The first ones find out by waiting, and not for long.
        let first = futures_util::future::try_join_all((0..4).map(|_| before.is_read(crew)));
        tokio::time::timeout(FIRST_READS, first).await.context("the first reads by id hang")??;
        until("readiness names the database", async || Ok(part(&crew.user, "database").await?.0 == "failed")).await?;
        ensure!(part(&crew.user, "storage").await?.0 == "ok", "the storage is not at fault");
        until("files are read by id", async || before.is_read(crew).await.map(|()| true)).await?;
        until("a list is refused", async || Ok(crew.user.get("/api/v1/files").await?.status == 503)).await?;
        says("a list", &crew.user.get("/api/v1/files").await?, "DATABASE_UNAVAILABLE")?;
        says("a search", &crew.user.get("/api/v1/files/search?q=file").await?, "DATABASE_UNAVAILABLE")?;
        before.is_read(crew).await?;
        let upload = Upload::new("during.txt", Content::bytes("during")).field("version", "during");
        account.sending("during", &upload.content().sha256()?);
        says("an upload", &crew.user.upload(&upload).await?, "DATABASE_UNAVAILABLE")
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_read_by_id_while_the_database_is_gone() -> Result<()> {
    the_database(Make::PostgresS3, Weather::Gone).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_read_by_id_while_the_database_is_silent() -> Result<()> {
    the_database(Make::PostgresLocal, Weather::Silent).await
}

/// The lock goes with the database: the node ends, and the next one waits for the database and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_without_its_database_waits_for_it_and_says_so() -> Result<()> {
    let (mut behind, account) = (Behind::start(Make::PostgresS3, 2, None, Locks::Suffer)?, Account::default());
    let crew = Crew::of(&behind.node)?;
    before(&crew, &account).await?;
    let begin = |behind: &Behind| behind.database.as_ref().map_or((), |proxy| proxy.set(Weather::Gone));
    outage(&mut behind, &account, 20, begin, async |crew| {
        until("readiness names the database, and says it cannot be reached", async || {
            let (status, message) = part(&crew.user, "database").await?;
            let waits = crew.user.get("/api/v1/files").await?.code() == "RECOVERING";
            Ok(waits && status == "failed" && message != "the node is starting")
        })
        .await?;
        crew.user.get("/health/live").await?.expect(200)?;
        // It is one process that waits, not one after another.
        let (mut rounds, mut answered) = (0, 0);
        while rounds < 20 {
            rounds += 1;
            answered += u32::from(crew.user.get("/health/live").await.is_ok());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        ensure!(answered == rounds, "of {rounds} looks {answered} were answered");
        Ok(())
    })
    .await
}

/// The store is at fault: descriptions and lists come from the catalog, what needs bytes says when to come again.
async fn the_store(make: Make, seed: u64, weathers: &[Weather]) -> Result<()> {
    let (mut behind, account) = (Behind::start(make, seed, None, Locks::Pass)?, Account::default());
    let crew = Crew::of(&behind.node)?;
    let before = before(&crew, &account).await?;
    for (round, weather) in (0..).zip(weathers) {
        let begin = |behind: &Behind| behind.store.as_ref().map_or((), |proxy| proxy.set(*weather));
        outage(&mut behind, &account, seed * 100 + round, begin, async |crew| {
            until("readiness names the storage", async || Ok(part(&crew.user, "storage").await?.0 == "failed")).await?;
            ensure!(part(&crew.user, "database").await?.0 == "ok", "the database is not at fault");
            crew.user.metadata(&before.id).await?.expect(200)?;
            crew.user.get("/api/v1/files").await?.expect(200)?;
            Ok(())
        })
        .await
        .with_context(|| format!("{weather:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_gone_or_fails_is_named_and_comes_back() -> Result<()> {
    the_store(Make::SqliteS3, 3, &[Weather::Gone, Weather::Failing(500), Weather::Failing(503)]).await
}

/// Slower than a request is waited for: what the node has given up happens all the same, later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_answers_after_the_node_gave_up_is_named_and_comes_back() -> Result<()> {
    the_store(Make::PostgresS3, 4, &[Weather::Slow(Duration::from_secs(12))]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_gone_at_once_are_both_named_and_come_back() -> Result<()> {
    let (mut behind, account) = (Behind::start(Make::PostgresS3, 5, None, Locks::Pass)?, Account::default());
    let crew = Crew::of(&behind.node)?;
    before(&crew, &account).await?;
    outage(
        &mut behind,
        &account,
        50,
        |behind| behind.set(Weather::Gone),
        async |crew| {
            until("readiness names both", async || {
                let (database, storage) = (part(&crew.user, "database").await?, part(&crew.user, "storage").await?);
                Ok(database.0 == "failed" && storage.0 == "failed")
            })
            .await
        },
    )
    .await
}
