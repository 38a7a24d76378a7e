//! The catalog is away: what is known by id is read on, the rest says when to come again, and all returns by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use storage_element_e2e::{Answer, Client, Content, Ledger, Make, Node, Upload, check};

const PATIENCE: Duration = Duration::from_secs(20);

/// Repeats a request until it is answered with `status`.
async fn until(status: u16, ask: impl AsyncFn() -> Result<Answer>) -> Result<Answer> {
    let begun = Instant::now();
    loop {
        let answer = ask().await?;
        if answer.status == status {
            return Ok(answer);
        }
        ensure!(begun.elapsed() < PATIENCE, "no {status} within {PATIENCE:?}, last {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn says_when(what: &str, answer: &Answer) -> Result<()> {
    ensure!((answer.status, answer.code().as_str()) == (503, "DATABASE_UNAVAILABLE"), "{what} was answered {answer}");
    let wait = answer.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
    ensure!(wait.is_some(), "{what} does not say when to come again: {:?}", answer.headers);
    Ok(())
}

async fn reads_go_on(user: &Client, id: &str, sha256: &str) -> Result<()> {
    let metadata = user.metadata(id).await?.expect(200)?.json()?;
    ensure!(metadata["description"] == "before the outage", "stale: {metadata}");
    let (status, came, _) = user.download_digest(id).await?;
    ensure!((status, came.as_str()) == (200, sha256), "a download was answered {status}");
    Ok(())
}

async fn the_rest_says_when(node: &Node, id: &str) -> Result<()> {
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    says_when("list", &user.get("/api/v1/files").await?)?;
    says_when("search", &user.get("/api/v1/files/search?q=file").await?)?;
    says_when("upload", &user.upload(&Upload::new("during.txt", Content::bytes("during"))).await?)?;
    says_when("update", &user.patch(id, &json!({"description": "during"})).await?)?;
    says_when("delete", &operator.delete(id).await?)?;
    says_when("hold", &operator.send_json("PUT", &format!("/api/v1/files/{id}/legal-hold"), &json!({})).await?)
}

async fn an_outage_of_the_catalog_costs_no_read_by_id_and_ends_by_itself(make: Make) -> Result<()> {
    let (mut node, mut ledger) = (make.setup().start()?, Ledger::new());
    let user = node.client("user")?;
    for number in 0..10 {
        let upload = Upload::new(format!("file-{number}.txt"), Content::bytes(format!("content {number}")));
        ledger.upload(&user, &number.to_string(), upload).await?.context("no answer")?.expect(201)?;
        ledger.describe(&user, &number.to_string(), "before the outage").await?.context("no answer")?.expect(200)?;
    }
    let id = ledger.id("7")?;
    let sha256 = ledger.file("7")?.sha256.clone();

    for round in 0..2 {
        node.database().take_away()?;
        until(503, async || user.get("/api/v1/files").await).await.with_context(|| format!("round {round}"))?;
        until(503, async || user.get("/health/ready").await).await?;
        user.get("/health/live").await?.expect(200)?;
        the_rest_says_when(&node, &id).await?;
        reads_go_on(&user, &id, &sha256).await?;
        // Not a moment's luck: it stays so.
        tokio::time::sleep(Duration::from_secs(1)).await;
        the_rest_says_when(&node, &id).await?;
        reads_go_on(&user, &id, &sha256).await?;

        node.database().bring_back()?;
        until(200, async || user.get("/api/v1/files").await).await?;
        until(200, async || user.get("/health/ready").await).await?;
        let label = format!("after {round}");
        let upload = Upload::new("after.txt", Content::bytes(label.clone()));
        ledger.upload(&user, &label, upload).await?.context("no answer")?.expect(201)?;
        reads_go_on(&user, &id, &sha256).await?;
    }
    check::everything(&mut node, &ledger).await
}

// A node whose lock is a session of PostgreSQL ends with its server: that is another promise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_local() -> Result<()> {
    an_outage_of_the_catalog_costs_no_read_by_id_and_ends_by_itself(Make::SqliteLocal).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_s3() -> Result<()> {
    an_outage_of_the_catalog_costs_no_read_by_id_and_ends_by_itself(Make::SqliteS3).await
}
