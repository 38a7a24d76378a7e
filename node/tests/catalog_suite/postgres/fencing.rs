//! What is known to go wrong between two masters, against a real server: the hazard first, then that it is covered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{Acquire, AssertSqlSafe, PgConnection, Row};
use storage_element_crds::Mode;
use storage_node::catalog::postgres::SessionLock;
use storage_node::catalog::{Catalog, CatalogError, IntentVerdict, RowGuard, Transition, TransitionVerdict};
use storage_node::model::{Nonce, OperationType, Term, WalStatus};
use uuid::Uuid;

use super::At;
use crate::made::{Ready, element, intent, new_term};

/// An intent as the catalog words it, with or without its lock.
async fn insert(conn: &mut PgConnection, ready: &Ready, lock: &str) -> Uuid {
    let row = intent(&ready.file("a.txt"), OperationType::FileCreate);
    let sql = format!(
        "WITH held AS MATERIALIZED (SELECT epoch FROM config WHERE id = 1 AND epoch = $1 AND nonce = $2 \
         AND mode IN ('edit', 'rw') AND transition IS NULL {lock}) \
         INSERT INTO wal (transaction_id, operation_type, status, file_id, operation_data, started_at, epoch) \
         SELECT $3, 'FILE_CREATE', 'PENDING', $4, '{{}}', 1, epoch FROM held"
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(i64::try_from(ready.term.epoch).unwrap())
        .bind(ready.term.nonce.to_string())
        .bind(row.transaction_id)
        .bind(row.file_id)
        .execute(conn)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    row.transaction_id
}

fn second() -> Term {
    Term { epoch: 2, nonce: Nonce::fresh() }
}

/// Without the lock a takeover is done, and sees nothing to settle, while an intent of the old term is being written.
#[tokio::test(flavor = "multi_thread")]
async fn an_intent_without_the_row_lock_lets_a_takeover_pass_it() {
    for (lock, passes) in [("", true), ("FOR SHARE", false)] {
        let at = At::shared();
        let ready = Ready::new(&at).await;
        let mut old = at.connect().await;
        let mut stalled = old.begin().await.unwrap();
        let transaction = insert(&mut stalled, &ready, lock).await;
        let catalog = Arc::clone(&ready.catalog);
        let taken = tokio::spawn(async move { catalog.begin_term(&new_term(second(), 1, Mode::Edit)).await.unwrap() });
        if passes {
            assert!(taken.await.unwrap(), "without the lock nothing holds the successor");
            assert_eq!(ready.catalog.wal_pending().await.unwrap().pending, 0, "and it finds nothing to settle");
            stalled.commit().await.unwrap();
            let row = ready.catalog.wal_row(transaction).await.unwrap().unwrap();
            assert_eq!((row.status, row.epoch), (WalStatus::Pending, 1), "an intent of a term that is over");
        } else {
            at.waiting(1).await;
            stalled.commit().await.unwrap();
            assert!(taken.await.unwrap());
            assert_eq!(ready.catalog.wal_pending().await.unwrap().pending, 1, "the successor settles it");
        }
    }
}

/// The same from the other side, with the catalog's own statement: an intent that meets a takeover waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_intent_that_meets_a_takeover_is_judged_by_its_outcome() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let mut conn = at.connect().await;
    let mut takeover = conn.begin().await.unwrap();
    sqlx::query("UPDATE config SET epoch = 2, nonce = '00000000000000ff'").execute(&mut *takeover).await.unwrap();
    let row = intent(&ready.file("a.txt"), OperationType::FileCreate);
    let (catalog, term, asked) = (Arc::clone(&ready.catalog), ready.term, row.clone());
    let answer = tokio::spawn(async move { catalog.intent(term, asked).await.unwrap() });
    at.waiting(1).await;
    assert!(!answer.is_finished());
    takeover.commit().await.unwrap();
    assert_eq!(answer.await.unwrap(), IntentVerdict::TermOver);
    assert_eq!(ready.catalog.wal_row(row.transaction_id).await.unwrap(), None);
}

/// A statement sees the log as it was when it began: one that checks and changes the mode at once overlooks an intent
/// that it has to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_mode_check_and_commit_in_one_statement_overlooks_an_intent() {
    let at = At::shared();
    let ready = Ready::in_mode(&at, Mode::Rw).await;
    let mut uploading = at.connect().await;
    let mut upload = uploading.begin().await.unwrap();
    insert(&mut upload, &ready, "FOR SHARE").await;
    let changing = {
        let at = at.clone();
        tokio::spawn(async move {
            at.by_hand(
                "UPDATE config SET mode = 'ro' WHERE mode = 'rw' AND NOT EXISTS (SELECT 1 FROM wal WHERE status = 'PENDING')",
            )
            .await;
        })
    };
    at.waiting(1).await;
    upload.commit().await.unwrap();
    changing.await.unwrap();
    let config = ready.catalog.config().await.unwrap().unwrap();
    let pending = ready.catalog.wal_pending().await.unwrap().pending;
    assert_eq!((config.mode, pending), (Mode::Ro, 1), "a row PENDING in ro");
}

/// So the catalog prepares first, which waits for the intent, and commits in a later statement, which sees it.
#[tokio::test(flavor = "multi_thread")]
async fn a_mode_change_waits_for_the_intent_and_then_sees_it() {
    let at = At::shared();
    let ready = Ready::in_mode(&at, Mode::Rw).await;
    let mut uploading = at.connect().await;
    let mut upload = uploading.begin().await.unwrap();
    insert(&mut upload, &ready, "FOR SHARE").await;
    let (catalog, guard) = (Arc::clone(&ready.catalog), RowGuard::Term(ready.term));
    let wanted = Transition { id: "t".to_owned(), attempt: 1, target: Mode::Ro };
    let asked = wanted.clone();
    let prepared = tokio::spawn(async move { catalog.prepare(guard, &asked, 60).await.unwrap() });
    at.waiting(1).await;
    assert!(!prepared.is_finished());
    upload.commit().await.unwrap();
    assert!(matches!(prepared.await.unwrap(), TransitionVerdict::Done(_)));
    assert_eq!(ready.catalog.may_commit(guard, &wanted).await.unwrap(), TransitionVerdict::OpenTransactions(1));
}

/// A client that is frozen between Execute and Sync holds its locks: its statement is done, but nothing has told the
/// server to commit it. Only ending its session frees them.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_client_holds_the_row_until_its_session_is_ended() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let element_id = ready.catalog.config().await.unwrap().unwrap().element_id;
    let name = format!("se:{}:{}:{}", element_id.simple(), ready.term.epoch, ready.term.nonce);
    // The master's own sessions bear this name; the frozen one is another of the same.
    let mut old = at.named(&name).await;
    let mut frozen = old.begin().await.unwrap();
    let transaction = insert(&mut frozen, &ready, "FOR SHARE").await;
    let successor = at.open().await;
    let blocked = tokio::time::timeout(Duration::from_millis(500), async {
        successor.begin_term(&new_term(second(), 1, Mode::Edit)).await
    });
    assert!(blocked.await.is_err(), "a takeover that ends no session waits for the frozen one");

    let successor = at.open().await;
    let began = Instant::now();
    successor.end_other_sessions(element_id).await.unwrap();
    let config = successor.config().await.unwrap().unwrap();
    let third = Term { epoch: 3, nonce: Nonce::fresh() };
    let next = new_term(third, config.epoch, Mode::Edit);
    let begun = tokio::time::timeout(Duration::from_secs(5), successor.begin_term(&next)).await;
    assert!(begun.expect("the frozen session still holds the row").unwrap(), "after {:?}", began.elapsed());
    assert!(frozen.commit().await.is_err(), "its session is gone");
    assert_eq!(successor.wal_row(transaction).await.unwrap(), None, "what it had not committed is rolled back");
    let row = intent(&ready.file("b.txt"), OperationType::FileCreate);
    assert_eq!(ready.catalog.intent(ready.term, row.clone()).await.unwrap(), IntentVerdict::TermOver);
    assert_eq!(successor.intent(third, row).await.unwrap(), IntentVerdict::Accepted);
}

/// Whoever shares the row and then wants to change it waits for the other who does the same.
#[tokio::test(flavor = "multi_thread")]
async fn sharing_and_then_changing_the_row_deadlocks() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let (mut one, mut two) = (at.connect().await, at.connect().await);
    let (mut one, mut two) = (one.begin().await.unwrap(), two.begin().await.unwrap());
    for conn in [&mut one, &mut two] {
        sqlx::query("SELECT 1 FROM config FOR SHARE").execute(&mut **conn).await.unwrap();
    }
    let update = "UPDATE config SET row_version = row_version + 1";
    let (first, second) = tokio::join!(sqlx::query(update).execute(&mut *one), async {
        let done = sqlx::query(update).execute(&mut *two).await;
        two.rollback().await.unwrap();
        done
    });
    let codes: Vec<_> = [first, second]
        .into_iter()
        .filter_map(|done| done.err()?.as_database_error()?.code().map(|code| code.to_string()))
        .collect();
    assert_eq!(codes, ["40P01"], "one of the two is ended as a deadlock");
    one.rollback().await.unwrap();

    // The catalog's own statements, all at once: none of them takes both.
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..400_u64 {
        let (catalog, term) = (Arc::clone(&ready.catalog), ready.term);
        let row = intent(&ready.file("a.txt"), OperationType::FileCreate);
        tasks.spawn(async move {
            let transition = Transition { id: "t".to_owned(), attempt: n, target: Mode::Edit };
            match n % 4 {
                0 => drop(catalog.prepare(RowGuard::Term(term), &transition, 0).await.unwrap()),
                1 => drop(catalog.abort(RowGuard::Term(term), "t").await.unwrap()),
                _ => drop(catalog.intent(term, row).await.unwrap()),
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// Sessions are called by element, epoch and nonce, those that write from the first statement of their term on.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_named_by_their_term() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let element_id = ready.catalog.config().await.unwrap().unwrap().element_id;
    let names = async || {
        let mut conn = at.connect().await;
        let rows = sqlx::query("SELECT application_name FROM pg_stat_activity WHERE application_name LIKE $1")
            .bind(format!("se%:{}%", element_id.simple()))
            .fetch_all(&mut conn)
            .await
            .unwrap();
        let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        names.sort();
        names.dedup();
        names
    };
    for epoch in [1, 2] {
        let term = if epoch == 1 { ready.term } else { second() };
        if epoch == 2 {
            ready.catalog.end_other_sessions(element_id).await.unwrap();
            assert!(ready.catalog.begin_term(&new_term(term, 1, Mode::Edit)).await.unwrap());
        }
        let file = ready.file("a.txt");
        ready.catalog.intent(term, intent(&file, OperationType::FileCreate)).await.unwrap();
        ready.catalog.roll_back(term, file.attr.tx, "undone").await.unwrap();
        let writing: Vec<_> = names().await.into_iter().filter(|name| !name.starts_with("se-read:")).collect();
        assert_eq!(writing, [format!("se:{}:{epoch}:{}", element_id.simple(), term.nonce)]);
    }
}

/// A second element that finds the schema in use does not write into it.
#[tokio::test(flavor = "multi_thread")]
async fn two_elements_in_one_schema_are_refused() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let found = ready.catalog.config().await.unwrap().unwrap();
    let other = element(Mode::Edit);
    let second = at.open().await;
    second.migrate().await.unwrap();
    second.create_element(&other).await.unwrap();
    let row = second.config().await.unwrap().unwrap();
    assert_eq!((row.element_id, row.epoch), (found.element_id, 1), "the first one's row stays");

    let first = SessionLock::acquire(&at.server().await, Some(found.element_id)).await.unwrap();
    let refused = SessionLock::acquire(&at.server().await, Some(other.element_id)).await.err().unwrap();
    let said = refused.to_string();
    assert!(matches!(refused, CatalogError::Refused { .. }) && said.contains("served by another process"), "{said}");
    // The same element in another schema.
    let elsewhere = At::shared();
    assert!(SessionLock::acquire(&elsewhere.server().await, Some(found.element_id)).await.is_err());
    assert_eq!(first.lost(), None);
    drop(first);
    let again = SessionLock::acquire(&at.server().await, Some(found.element_id)).await.unwrap();
    // Ended from outside, the lock is known to be lost.
    at.by_hand(&format!(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND a.application_name LIKE 'se-lock:%' AND a.pid IN (SELECT pid FROM pg_locks \
         WHERE locktype = 'advisory') AND '{}' <> ''",
        at.schema
    ))
    .await;
    let lost = tokio::time::timeout(Duration::from_secs(10), again.until_lost()).await.unwrap();
    assert!(lost.contains("has ended"), "{lost}");
}
