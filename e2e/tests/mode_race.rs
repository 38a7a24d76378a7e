//! A change to `ro` that comes while files are being sent: what was acknowledged is there, what was refused is not and
//! was told why, and nothing is left open in an element that takes no more.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use storage_element_e2e::{Answer, Client, Content, Ledger, Make, Node, Upload, check, failpoints, on_every_make};

const ROUNDS: usize = 20;
const UPLOADERS: usize = 6;

/// An upload and what came of it.
struct Sent {
    label: String,
    sha256: String,
    answer: Answer,
}

/// Sends files one after the other until one is refused.
async fn send_until_refused(client: Client, prefix: String) -> Result<Vec<Sent>> {
    let mut all = Vec::new();
    loop {
        let label = format!("{prefix}-{}", all.len());
        // Some are under way for longer than the change has to wait for the others.
        let content = if rand::random_range(0..4) == 0 {
            Content::Slow { piece: 1000, pieces: 4, pause: Duration::from_millis(15) }
        } else {
            Content::bytes(label.repeat(50))
        };
        let sha256 = content.sha256()?;
        let upload = Upload::new(format!("{label}.txt"), content).field("version", label.clone());
        let answer = client.upload(&upload).await.with_context(|| format!("no answer to {label}"))?;
        let refused = answer.status != 201;
        all.push(Sent { label, sha256, answer });
        if refused {
            return Ok(all);
        }
    }
}

async fn change(admin: &Client, mode: &str) -> Result<()> {
    let wish = json!({"mode": mode, "confirm": true, "drain_timeout_seconds": 10});
    admin.send_json("PUT", "/api/v1/admin/mode", &wish).await?.expect(200)?;
    Ok(())
}

/// Sends from many clients, changes to `ro` after `wait`, and judges.
async fn race(node: &Node, ledger: &mut Ledger, prefix: &str, uploaders: usize, wait: Duration) -> Result<()> {
    let (user, admin) = (node.client("user")?, node.client("admin")?);
    let senders: Vec<_> = (0..uploaders)
        .map(|number| tokio::spawn(send_until_refused(user.clone(), format!("{prefix}-{number}"))))
        .collect();
    tokio::time::sleep(wait).await;
    change(&admin, "ro").await?;
    // At once, before anyone could tidy up.
    let open = admin.all("/api/v1/admin/wal", &[]).await?;
    ensure!(open.is_empty(), "open transactions in ro: {open:?}");
    let sealed = ids(&user).await?;

    for sender in senders {
        for sent in sender.await?? {
            let refusal = (sent.answer.status, sent.answer.code());
            match (refusal.0, refusal.1.as_str()) {
                (201, _) => ensure!(sealed.contains(&sent.answer.file_id()?), "{} was acknowledged", sent.label),
                (409, "MODE_NOT_ALLOWED") | (503, "TRANSITION_IN_PROGRESS") => {}
                _ => anyhow::bail!("{} was answered {}", sent.label, sent.answer),
            }
            ledger.note_upload(&sent.label, sent.sha256, Some(&sent.answer))?;
        }
    }
    ensure!(sealed == ids(&user).await?, "files came or went in ro");
    ensure!(sealed.len() == ledger.acknowledged(), "{} files, {} acknowledged", sealed.len(), ledger.acknowledged());
    change(&admin, "rw").await
}

async fn ids(client: &Client) -> Result<BTreeSet<String>> {
    let items = client.all("/api/v1/files", &[]).await?;
    Ok(items.iter().filter_map(|item| item["file_id"].as_str().map(str::to_owned)).collect())
}

async fn a_change_to_ro_at_any_moment_among_uploads(make: Make) -> Result<()> {
    let (mut node, mut ledger) = (make.setup().setting("element.mode", "rw").start()?, Ledger::new());
    for round in 0..ROUNDS {
        let wait = Duration::from_micros(rand::random_range(0..80_000));
        let raced = race(&node, &mut ledger, &format!("round-{round}"), UPLOADERS, wait).await;
        raced.with_context(|| format!("round {round}, after {wait:?}"))?;
    }
    check::everything(&mut node, &ledger).await
}

async fn a_change_to_ro_while_an_upload_stands_at_each_step(make: Make) -> Result<()> {
    let mut node = make.setup().setting("element.mode", "rw").with_failpoints().prepare()?;
    let mut ledger = Ledger::new();
    for point in &failpoints::of_upload(make)? {
        // Each upload stands there so long; the change comes in the midst of the first.
        node.set_env("FAILPOINTS", &format!("{point}=sleep(150)"));
        node.start()?;
        let raced = race(&node, &mut ledger, point, 2, Duration::from_millis(80)).await;
        raced.with_context(|| format!("at {point}"))?;
        node.kill()?;
    }
    node.unset_env("FAILPOINTS");
    node.start()?;
    check::everything(&mut node, &ledger).await
}

on_every_make!(a_change_to_ro_at_any_moment_among_uploads, a_change_to_ro_while_an_upload_stands_at_each_step);
