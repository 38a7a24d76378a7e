//! Intents: durable, judged where they are written, shared, independent.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use storage_element_crds::Mode;
use storage_node::catalog::{CatalogError, IntentVerdict};
use storage_node::model::{Nonce, OperationType, Term, WalStatus};
use uuid::Uuid;

use crate::made::{Make, Ready, intent, new_term};

pub async fn accepted_and_read_back(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let row = intent(&ready.file("a.txt"), OperationType::FileCreate);
    assert_eq!(ready.catalog.intent(ready.term, row.clone()).await.unwrap(), IntentVerdict::Accepted);
    assert_eq!(ready.catalog.wal_row(row.transaction_id).await.unwrap(), Some(row));
    assert_eq!(ready.catalog.wal_row(Uuid::now_v7()).await.unwrap(), None);
}

pub async fn judged_by_term_mode_and_transition(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let ask = async |term: Term| {
        let row = intent(&ready.file("a.txt"), OperationType::FileCreate);
        let verdict = ready.catalog.intent(term, row.clone()).await.unwrap();
        let written = ready.catalog.wal_row(row.transaction_id).await.unwrap().is_some();
        assert_eq!(written, verdict == IntentVerdict::Accepted);
        verdict
    };
    let other_nonce = Term { nonce: Nonce::fresh(), ..ready.term };
    assert_eq!(ask(other_nonce).await, IntentVerdict::TermOver);
    let second = Term { epoch: 2, nonce: Nonce::fresh() };
    assert_eq!(ask(second).await, IntentVerdict::TermOver);
    assert!(ready.catalog.begin_term(&new_term(second, 1, Mode::Edit)).await.unwrap());
    assert_eq!(ask(ready.term).await, IntentVerdict::TermOver);
    assert_eq!(ask(second).await, IntentVerdict::Accepted);
    for (epoch, mode) in [(3, Mode::Ro), (4, Mode::Ar)] {
        let term = Term { epoch, nonce: Nonce::fresh() };
        assert!(ready.catalog.begin_term(&new_term(term, epoch - 1, mode)).await.unwrap());
        assert_eq!(ask(term).await, IntentVerdict::ModeRefuses(mode));
    }
}

pub async fn repeated_are_accepted_once(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let file = ready.file("a.txt");
    let row = intent(&file, OperationType::FileCreate);
    for _ in 0..2 {
        assert_eq!(ready.catalog.intent(ready.term, row.clone()).await.unwrap(), IntentVerdict::Accepted);
    }
    ready.commit(&file).await;
    assert_eq!(ready.catalog.intent(ready.term, row.clone()).await.unwrap(), IntentVerdict::Accepted);
    assert_eq!(ready.catalog.wal_row(row.transaction_id).await.unwrap().unwrap().status, WalStatus::Committed);

    let undone = intent(&ready.file("b.txt"), OperationType::FileCreate);
    ready.catalog.intent(ready.term, undone.clone()).await.unwrap();
    ready.catalog.roll_back(ready.term, undone.transaction_id, "gone").await.unwrap();
    let again = ready.catalog.intent(ready.term, undone).await;
    assert!(matches!(again, Err(CatalogError::Refused { .. })), "{again:?}");
}

pub async fn waiting_together_share_transactions(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let before = ready.catalog.counters().transactions;
    let rows: Vec<_> = (0..64).map(|n| ready.file(&format!("{n}.txt"))).collect();
    let intents = rows.iter().map(|row| ready.catalog.intent(ready.term, intent(row, OperationType::FileCreate)));
    for verdict in join_all(intents).await {
        assert_eq!(verdict.unwrap(), IntentVerdict::Accepted);
    }
    let made = ready.catalog.counters().transactions - before;
    assert!(made <= 16, "64 intents took {made} transactions");
    join_all(rows.iter().map(|row| ready.commit(row))).await;
    let made = ready.catalog.counters().transactions - before;
    assert!(made <= 32, "64 intents and commits took {made} transactions");
    assert_eq!(ready.catalog.totals().await.unwrap().active_files, 64);
}

pub async fn one_bad_row_fails_only_itself(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let mut first = ready.file("first.txt");
    first.attr.idempotency_key = Some("k".to_owned());
    let mut second = ready.file("second.txt");
    second.attr.idempotency_key = Some("k".to_owned());
    let good: Vec<_> = (0..20).map(|n| ready.file(&format!("{n}.txt"))).collect();
    let rows = good.iter().take(10).chain([&first, &second]).chain(good.iter().skip(10));
    let asked = rows.map(|row| ready.catalog.intent(ready.term, intent(row, OperationType::FileCreate)));
    let verdicts = join_all(asked).await;
    let refused = verdicts.iter().filter(|verdict| matches!(verdict, Err(CatalogError::Refused { .. }))).count();
    let accepted = verdicts.iter().filter(|verdict| matches!(verdict, Ok(IntentVerdict::Accepted))).count();
    assert_eq!((refused, accepted), (1, 21), "{verdicts:?}");
}

pub async fn one_key_is_open_once(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let mut file = ready.file("a.txt");
    file.attr.idempotency_key = Some("key:1".to_owned());
    let open = async |sender: &str, key: &str| ready.catalog.open_transaction_by_key(sender, key).await.unwrap();
    assert_eq!(open("u-1", "key:1").await, None);
    let row = intent(&file, OperationType::FileCreate);
    ready.catalog.intent(ready.term, row.clone()).await.unwrap();
    assert_eq!(open("u-1", "key:1").await, Some(row.transaction_id));
    assert_eq!(open("u-2", "key:1").await, None);
    ready.catalog.fail(ready.term, row.transaction_id, "cannot tell").await.unwrap();
    assert_eq!(open("u-1", "key:1").await, Some(row.transaction_id));
    assert_eq!(ready.catalog.file_by_key("u-1", "key:1").await.unwrap(), None);
    ready.commit(&file).await;
    assert_eq!(open("u-1", "key:1").await, None);
    let found = ready.catalog.file_by_key("u-1", "key:1").await.unwrap();
    assert_eq!(found.map(|row| row.attr), Some(file.attr));
    assert_eq!(ready.catalog.file_by_key("u-2", "key:1").await.unwrap(), None);
}

/// A caller that is gone does not undo what it asked for.
pub async fn outlive_whoever_asked(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let row = intent(&ready.file("a.txt"), OperationType::FileCreate);
    let (catalog, term, asked) = (Arc::clone(&ready.catalog), ready.term, row.clone());
    let task = tokio::spawn(async move { catalog.intent(term, asked).await });
    tokio::task::yield_now().await;
    task.abort();
    let task_ended_first = task.await.is_err_and(|error| error.is_cancelled());
    // Aborted before it was given to the writer it may never be written; given, it always is.
    for _ in 0..100 {
        if ready.catalog.wal_row(row.transaction_id).await.unwrap().is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(task_ended_first, "an intent that was answered is not in the log");
}
