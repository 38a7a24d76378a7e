//! The server gone and back.

use std::sync::Arc;
use std::time::Duration;

use storage_node::catalog::postgres::SessionLock;
use storage_node::catalog::{CommitVerdict, IntentVerdict};
use storage_node::model::{FileIds, OperationType, WalStatus};
use tokio::task::JoinSet;

use super::At;
use super::running::Postgres as Running;
use crate::made::{Ready, commit, intent};

/// Killed under load and recovered: whatever was answered is there, and writes go on by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_a_killed_server() {
    let running = Arc::new(Running::start());
    let at = At::on(&running);
    let ready = Ready::new(&at).await;
    let ids = Arc::new(FileIds::default());
    let lock = SessionLock::acquire(&at.server().await, None).await.unwrap();
    let (mut announced, mut committed) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut clients = JoinSet::new();
        for client in 0..16 {
            let (catalog, term, ids) = (Arc::clone(&ready.catalog), ready.term, Arc::clone(&ids));
            clients.spawn(async move {
                let (mut announced, mut committed) = (Vec::new(), Vec::new());
                for n in 0..100_000 {
                    let file = crate::made::file(ids.next(), &format!("{client} {n}.txt"));
                    match catalog.intent(term, intent(&file, OperationType::FileCreate)).await {
                        Ok(verdict) => assert_eq!(verdict, IntentVerdict::Accepted),
                        Err(_) => break,
                    }
                    announced.push(file.attr.tx);
                    match catalog.commit(term, commit(&file)).await {
                        Ok(verdict) => assert_eq!(verdict, CommitVerdict::Committed),
                        Err(_) => break,
                    }
                    committed.push(file);
                }
                (announced, committed)
            });
        }
        tokio::time::sleep(Duration::from_millis(700)).await;
        let killed = Arc::clone(&running);
        tokio::task::spawn_blocking(move || killed.kill()).await.unwrap();
        while let Some(client) = clients.join_next().await {
            let (more_announced, more_committed) = client.unwrap();
            announced.extend(more_announced);
            committed.extend(more_committed);
        }
        assert!(ready.catalog.ping().await.is_err());
        let back = Arc::clone(&running);
        tokio::task::spawn_blocking(move || back.recover()).await.unwrap();
        let mut answers = false;
        for _ in 0..200 {
            let file = ready.file("after.txt");
            answers = ready.catalog.intent(ready.term, intent(&file, OperationType::FileCreate)).await.is_ok();
            if answers {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(answers, "writes go on by themselves");
    }
    assert!(committed.len() > 100, "{}", committed.len());
    for file in &committed {
        assert_eq!(ready.catalog.file(file.attr.file_id).await.unwrap().as_ref(), Some(file));
        let row = ready.catalog.wal_row(file.attr.tx).await.unwrap().unwrap();
        assert_eq!(row.status, WalStatus::Committed);
    }
    for transaction in announced {
        assert!(ready.catalog.wal_row(transaction).await.unwrap().is_some(), "an intent that was answered is lost");
    }
    let totals = ready.catalog.totals().await.unwrap();
    assert!(totals.active_files >= u64::try_from(committed.len()).unwrap());
    let lost = tokio::time::timeout(Duration::from_secs(10), lock.until_lost()).await;
    assert!(lost.is_ok(), "the lock went with the server");
}

/// A session that an administrator ends is replaced, unseen by whoever asks.
#[tokio::test(flavor = "multi_thread")]
async fn ended_sessions_are_replaced() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let element_id = ready.catalog.config().await.unwrap().unwrap().element_id.simple().to_string();
    for _ in 0..3 {
        ready.put(&ready.file("a.txt")).await;
        at.by_hand(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'se:{element_id}:%'"
        ))
        .await;
    }
    ready.put(&ready.file("a.txt")).await;
    assert_eq!(ready.catalog.totals().await.unwrap().active_files, 4);
}
