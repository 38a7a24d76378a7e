//! A rolling restart of three nodes under the load of writers that repeat what is refused for the moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use storage_element_e2e::replicas::upload_somewhere;
use storage_element_e2e::{Ledger, Make, Replicas};

use crate::{all_is_well, file, on_both_storages};

const WRITERS: usize = 16;

async fn nothing_fails_is_lost_or_doubled(make: Make) -> Result<()> {
    let mut replicas = Replicas::start(make, 3).await?;
    let clients = Arc::new(replicas.clients("user")?);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (clients, stop) = (Arc::clone(&clients), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut done = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let label = format!("{writer}-{}", done.len());
                    let upload = file(&label);
                    let answer = upload_somewhere(&clients, writer + done.len(), &upload).await?;
                    done.push((label, upload.content().sha256()?, answer));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                anyhow::Ok(done)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for number in 0..3 {
        tokio::task::block_in_place(|| replicas.nodes[number].stop())?;
        replicas.nodes[number].spawn()?;
        replicas.ready(&replicas.nodes[number]).await?;
        replicas.master().await?;
    }
    stop.store(true, Ordering::Relaxed);
    let mut ledger = Ledger::new();
    for writer in writers {
        for (label, sha256, answer) in writer.await?? {
            ledger.note_upload(&label, sha256, Some(&answer))?;
        }
    }
    println!("{make:?}: {} files through the restart", ledger.acknowledged());
    ensure!(ledger.acknowledged() > WRITERS, "nobody wrote");
    // Twice under one label would be two uploads of one key.
    all_is_well(&mut replicas, &ledger).await
}

on_both_storages!(nothing_fails_is_lost_or_doubled);
