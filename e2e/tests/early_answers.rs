//! While the element is being opened its node lives, is not ready, and says so.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use storage_element_e2e::{Make, on_every_make};

async fn health_answers_before_the_takeover_has_ended(make: Make) -> Result<()> {
    let mut node = make.setup().with_failpoints().prepare()?;
    node.set_env("FAILPOINTS", "takeover.after_settling=sleep(6000)");
    node.spawn()?;
    let (begun, client) = (Instant::now(), node.client("admin")?);
    while client.get("/health/live").await.map_or(0, |answer| answer.status) != 200 {
        ensure!(begun.elapsed() < Duration::from_secs(30), "the node does not answer:\n{}", node.log_tail());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ready = client.get("/health/ready").await?.expect(503)?.json()?;
    ensure!(ready["status"] == "unready" && ready["parts"]["keys"]["status"] == "ok", "answered {ready}");
    for path in ["/api/v1/info", "/api/v1/files", "/api/v1/admin/jobs"] {
        let answer = client.get(path).await?.expect(503)?;
        ensure!(answer.code() == "RECOVERING" && answer.header("retry-after").is_some(), "{path}: {answer}");
    }
    client.with_token(None).get("/api/v1/files").await?.expect(401)?;
    client.get("/metrics").await?.expect(200)?;

    while !node.is_ready() {
        ensure!(begun.elapsed() < Duration::from_mins(1), "the node is never ready:\n{}", node.log_tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client.get("/api/v1/files").await?.expect(200)?;
    node.stop()
}

on_every_make!(health_answers_before_the_takeover_has_ended);
