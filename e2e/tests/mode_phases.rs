//! A mode change in phases: it holds the door against everyone, outlives a crash, and is taken back only by its own.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use storage_element_e2e::{Answer, Client, Content, Make, Node, Upload, on_every_make};

struct Place {
    node: Node,
    admin: Client,
    user: Client,
}

impl Place {
    fn start(make: Make) -> Result<Self> {
        let node = make.setup().setting("element.mode", "rw").start()?;
        let (admin, user) = (node.client("admin")?, node.client("user")?);
        Ok(Self { node, admin, user })
    }

    async fn put(&self, body: Value) -> Result<Answer> {
        self.admin.send_json("PUT", "/api/v1/admin/mode", &body).await
    }

    async fn mode(&self) -> Result<Value> {
        self.admin.get("/api/v1/admin/mode").await?.expect(200)?.json()
    }

    async fn upload(&self) -> Result<Answer> {
        self.user.upload(&Upload::new("a.txt", Content::bytes("a"))).await
    }

    /// Repeats a prepare until it is durable.
    async fn prepare(&self, id: &str, attempt: u64) -> Result<()> {
        let begun = Instant::now();
        let wish = json!({"mode": "ro", "phase": "prepare", "transition_id": id, "attempt": attempt});
        loop {
            let phase = self.put(wish.clone()).await?.expect(200)?.json()?["phase"].take();
            if phase == "prepared" {
                return Ok(());
            }
            ensure!(phase == "draining" && begun.elapsed() < Duration::from_secs(30), "the phase is {phase}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn refused(answer: &Answer, status: u16, code: &str) -> Result<()> {
    ensure!(answer.status == status && answer.code() == code, "expected {status} {code}, got {answer}");
    Ok(())
}

async fn a_prepared_change_holds_the_door_until_its_own_end(make: Make) -> Result<()> {
    let place = Place::start(make)?;
    place.prepare("t-1", 2).await?;
    let transition = place.mode().await?["transition"].take();
    ensure!(
        transition["id"] == "t-1" && transition["attempt"] == 2 && transition["phase"] == "prepared",
        "{transition}"
    );
    refused(&place.upload().await?, 503, "TRANSITION_IN_PROGRESS")?;

    // Nobody else's request takes the door away from it.
    refused(&place.put(json!({"mode": "ro"})).await?, 503, "TRANSITION_IN_PROGRESS")?;
    let other = json!({"mode": "ro", "phase": "prepare", "transition_id": "t-2", "attempt": 9});
    refused(&place.put(other).await?, 503, "TRANSITION_IN_PROGRESS")?;
    let abort =
        |id: &str, attempt: u64| json!({"mode": "ro", "phase": "abort", "transition_id": id, "attempt": attempt});
    refused(&place.put(abort("t-2", 9)).await?, 503, "TRANSITION_IN_PROGRESS")?;
    let lower = place.put(json!({"mode": "ro", "phase": "prepare", "transition_id": "t-1", "attempt": 1})).await?;
    refused(&lower, 409, "INVALID_TRANSITION")?;
    ensure!(lower.json()?["error"]["details"]["attempt"] == 2, "the attempt is not named: {lower}");
    refused(&place.upload().await?, 503, "TRANSITION_IN_PROGRESS")?;

    ensure!(place.put(abort("t-1", 2)).await?.expect(200)?.json()?["phase"] == "aborted", "not aborted");
    ensure!(place.mode().await?["transition"].is_null(), "the transition stays");
    place.upload().await?.expect(201)?;
    let commit = json!({"mode": "ro", "phase": "commit", "transition_id": "t-1", "attempt": 2});
    refused(&place.put(commit).await?, 409, "INVALID_TRANSITION")
}

async fn a_prepared_change_outlives_a_crash_and_is_committed_with_its_report(make: Make) -> Result<()> {
    let mut place = Place::start(make)?;
    place.prepare("t-1", 1).await?;
    place.node.kill()?;
    place.node.start()?;
    refused(&place.upload().await?, 503, "TRANSITION_IN_PROGRESS")?;
    place.prepare("t-1", 1).await?;
    ensure!(place.mode().await?["transition"]["id"] == "t-1", "the successor does not know the change");
    let commit = json!({"mode": "ro", "phase": "commit", "transition_id": "t-1", "attempt": 1,
        "report": {"files": 0}, "reason": "year end", "rollback_request_id": "none-1"});
    let answer = place.put(commit.clone()).await?.expect(200)?.json()?;
    ensure!(
        answer["mode"] == "ro" && answer["previous"] == "rw" && answer["phase"] == "committed",
        "answered {answer}"
    );
    ensure!(place.put(commit).await?.expect(200)?.json()?["mode"] == "ro", "repeating the commit is an error");
    let report = place.node.storage().json(".element/transitions/t-1.json").await?;
    ensure!(report == json!({"files": 0}), "the report is another: {report}");
    let mode = place.mode().await?;
    ensure!(mode["last_transition_id"] == "t-1" && mode["last_rollback_id"] == "none-1", "{mode}");
    refused(&place.upload().await?, 409, "MODE_NOT_ALLOWED")?;

    // A name that was used before passes neither for done nor for another's.
    for (mode, previous) in [("rw", "ro"), ("ro", "rw"), ("ar", "ro"), ("ro", "ar")] {
        let again = json!({"mode": mode, "transition_id": "t-1", "attempt": 1, "confirm": true});
        let answer = place.put(again).await?.expect(200)?.json()?;
        ensure!(answer["mode"] == mode && answer["previous"] == previous, "answered {answer}");
    }
    place.node.stop()?;
    place.node.start()?;
    ensure!(place.mode().await?["mode"] == "ro", "catalog and element.json differ");
    Ok(())
}

on_every_make!(
    a_prepared_change_holds_the_door_until_its_own_end,
    a_prepared_change_outlives_a_crash_and_is_committed_with_its_report
);
