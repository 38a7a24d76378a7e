//! A disk that is full: uploads are refused with 507, everything else goes on, and nothing acknowledged suffers.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use storage_element_e2e::{Answer, Client, Content, Ledger, Node, Setup, Tmpfs, Upload, check};

const DISK_MIB: u32 = 64;
const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_almost_full_disk_takes_no_uploads_and_loses_nothing() -> Result<()> {
    let disk = Tmpfs::mount(DISK_MIB)?;
    let mut node = Setup::new().with_capacity_levels().volume(disk.path()).start()?;
    let (user, mut ledger) = (node.client("user")?, Ledger::new());

    let mut refused = None;
    for number in 0..2 * u64::from(DISK_MIB) {
        let content = Content::Generated { seed: number, size: MIB };
        let answer = ledger.upload(&user, &format!("fill-{number}"), Upload::new("fill.bin", content)).await?;
        let answer = answer.context("no answer")?;
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
    }
    is_full(&refused.context("the disk never became full")?)?;
    ensure!(ledger.acknowledged() > 30, "a disk of {DISK_MIB} MiB was full after {} MiB", ledger.acknowledged());

    everything_but_uploads_works(&node, &mut ledger).await?;
    check::everything(&mut node, &ledger).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_during_an_upload_refuses_it_and_recovers() -> Result<()> {
    let disk = Tmpfs::mount(DISK_MIB)?;
    let mut node = Setup::new().with_capacity_levels().volume(disk.path()).start()?;
    let (user, mut ledger) = (node.client("user")?, Ledger::new());
    for label in ["before", "for-later"] {
        ledger.upload(&user, label, small(label)).await?.context("no answer")?.expect(201)?;
    }

    // The upload is let in while there is room; then something else takes the room.
    let slow = Content::Slow { piece: 1 << 20, pieces: 16, pause: Duration::from_millis(100) };
    let (sender, upload) = (user.clone(), Upload::new("slow.bin", slow.clone()).field("version", "slow"));
    let sending = tokio::spawn(async move { sender.upload(&upload).await });
    tokio::time::sleep(Duration::from_millis(400)).await;
    let filler = disk.path().join("lost+found");
    fill(&filler)?;
    let answer = sending.await??;
    is_full(&answer)?;
    ledger.note_upload("slow", slow.sha256()?, Some(&answer))?;

    fs::remove_file(&filler)?;
    uploads_return(&user, &mut ledger).await?;
    check::everything(&mut node, &ledger).await
}

async fn everything_but_uploads_works(node: &Node, ledger: &mut Ledger) -> Result<()> {
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    ledger.describe(&user, "fill-1", "described on a full disk").await?.context("no answer")?.expect(200)?;
    ledger.delete(&operator, "fill-2").await?.context("no answer")?.expect(204)?;
    let capacity = user.get("/api/v1/capacity").await?.expect(200)?.json()?;
    ensure!(capacity["level"] != "ok", "a full disk is reported as {capacity}");
    ledger.compare(&user).await
}

/// The level is looked at at most once a second, so that room is noticed soon, not at once.
async fn uploads_return(user: &Client, ledger: &mut Ledger) -> Result<()> {
    for _ in 0..40 {
        let answer = ledger.upload(user, "after", small("after")).await?.context("no answer")?;
        if answer.status == 201 {
            return Ok(());
        }
        is_full(&answer)?;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    anyhow::bail!("uploads are still refused ten seconds after there was room again")
}

fn small(label: &str) -> Upload {
    Upload::new(format!("{label}.txt"), Content::bytes(label.as_bytes().to_vec()))
}

fn is_full(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 507 && answer.code() == "STORAGE_FULL", "a full disk was answered {answer}");
    Ok(())
}

/// Writes until the disk is full.
fn fill(path: &Path) -> Result<()> {
    use std::io::Write;
    let mut file = fs::File::create(path)?;
    let block = vec![1; 1 << 16];
    while file.write_all(&block).is_ok() {}
    ensure!(fs::metadata(path)?.len() > MIB, "there was nothing to fill");
    Ok(())
}
