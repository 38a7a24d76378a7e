//! Ends of transactions, and the log.

use futures_util::future::join_all;
use serde_json::json;
use storage_element_crds::Mode;
use storage_node::catalog::{CatalogError, CommitVerdict, WalPending, WalQuery};
use storage_node::model::{Nonce, OperationType, Term, WalStatus};
use uuid::Uuid;

use crate::made::{Make, Ready, all, commit, deleted, intent, names, new_term, next};

pub async fn commit_caches_and_closes(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let file = ready.file("Договор.pdf");
    ready.put(&file).await;
    assert_eq!(ready.catalog.file(file.attr.file_id).await.unwrap(), Some(file.clone()));
    let row = ready.catalog.wal_row(file.attr.tx).await.unwrap().unwrap();
    assert_eq!((row.status, row.duration_ms, row.error_message), (WalStatus::Committed, Some(7), None));
    assert!(row.completed_at.is_some());
    assert_eq!(ready.commit(&file).await, CommitVerdict::Committed, "a repeated commit is the same");
    assert_eq!(ready.catalog.totals().await.unwrap().active_files, 1);
    let gone = deleted(&file);
    ready.catalog.intent(ready.term, intent(&gone, OperationType::FileDelete)).await.unwrap();
    ready.commit(&gone).await;
    assert_eq!(ready.catalog.file(file.attr.file_id).await.unwrap(), Some(gone), "deleted files keep their row");
    assert!(ready.list(&all()).await.rows.is_empty());
}

pub async fn rows_move_forward_only(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let first = ready.file("first.txt");
    let mut second = next(&first);
    second.attr.original_filename = "second.txt".to_owned();
    ready.put(&second).await;
    ready.put(&first).await;
    assert_eq!(ready.catalog.file(first.attr.file_id).await.unwrap().map(|row| row.attr), Some(second.attr));
    assert_eq!(ready.found("second").await, ["second.txt"]);
    assert_eq!(ready.found("first").await, Vec::<String>::new());
}

pub async fn ends_are_final(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let (undone, done) = (ready.file("undone.txt"), ready.file("done.txt"));
    ready.catalog.intent(ready.term, intent(&undone, OperationType::FileCreate)).await.unwrap();
    for _ in 0..2 {
        let verdict = ready.catalog.roll_back(ready.term, undone.attr.tx, "the client left").await.unwrap();
        assert_eq!(verdict, CommitVerdict::Committed);
    }
    let row = ready.catalog.wal_row(undone.attr.tx).await.unwrap().unwrap();
    assert_eq!((row.status, row.error_message.as_deref()), (WalStatus::RolledBack, Some("the client left")));
    assert!(row.completed_at.is_some() && row.duration_ms.is_some());
    let after = ready.catalog.commit(ready.term, commit(&undone)).await;
    assert!(matches!(after, Err(CatalogError::Refused { .. })), "{after:?}");
    assert_eq!(ready.catalog.file(undone.attr.file_id).await.unwrap(), None);

    ready.put(&done).await;
    for after in [
        ready.catalog.roll_back(ready.term, done.attr.tx, "no").await,
        ready.catalog.fail(ready.term, done.attr.tx, "no").await,
    ] {
        assert!(matches!(after, Err(CatalogError::Refused { .. })), "{after:?}");
    }
    // An intent whose answer was lost may never have been written.
    let verdict = ready.catalog.roll_back(ready.term, Uuid::now_v7(), "never written").await.unwrap();
    assert_eq!(verdict, CommitVerdict::Committed);
}

pub async fn over_terms_change_nothing(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let file = ready.file("a.txt");
    ready.catalog.intent(ready.term, intent(&file, OperationType::FileCreate)).await.unwrap();
    let second = Term { epoch: 2, nonce: Nonce::fresh() };
    assert!(ready.catalog.begin_term(&new_term(second, 1, Mode::Edit)).await.unwrap());
    let over = CommitVerdict::TermOver;
    assert_eq!(ready.commit(&file).await, over);
    assert_eq!(ready.catalog.roll_back(ready.term, file.attr.tx, "x").await.unwrap(), over);
    assert_eq!(ready.catalog.fail(ready.term, file.attr.tx, "x").await.unwrap(), over);
    assert!(!ready.catalog.rebuild_batch(ready.term, Uuid::now_v7(), vec![file.clone()]).await.unwrap());
    assert!(!ready.catalog.correct(ready.term, file.attr.file_id, Some(file.clone())).await.unwrap());
    assert_eq!(ready.catalog.file(file.attr.file_id).await.unwrap(), None);
    assert_eq!(ready.catalog.wal_row(file.attr.tx).await.unwrap().unwrap().status, WalStatus::Pending);
    assert_eq!(ready.catalog.commit(second, commit(&file)).await.unwrap(), CommitVerdict::Committed);
}

pub async fn failed_blocks_and_is_lifted(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let file = ready.file("a.txt");
    ready.put(&file).await;
    let update = next(&file);
    ready.catalog.intent(ready.term, intent(&update, OperationType::FileUpdate)).await.unwrap();
    ready.catalog.fail(ready.term, update.attr.tx, "data is missing").await.unwrap();
    let row = ready.catalog.wal_row(update.attr.tx).await.unwrap().unwrap();
    assert_eq!((row.status, row.error_message.as_deref()), (WalStatus::Failed, Some("data is missing")));
    assert_eq!((row.completed_at, row.duration_ms), (None, None));
    assert_eq!(ready.catalog.blocked_by(file.attr.file_id).await.unwrap(), Some(update.attr.tx));
    let cached = ready.catalog.file(file.attr.file_id).await.unwrap().unwrap();
    assert_eq!(cached.blocked_by, Some(update.attr.tx));
    assert!(ready.list(&all()).await.rows.is_empty());
    assert!(ready.found("txt").await.is_empty());
    let mark = Uuid::now_v7();
    assert!(ready.catalog.rebuild_batch(ready.term, mark, vec![next(&update)]).await.unwrap());
    assert!(ready.list(&all()).await.rows.is_empty(), "a rebuild does not lift a block");
    ready.catalog.roll_back(ready.term, update.attr.tx, "looked at").await.unwrap();
    assert_eq!(ready.catalog.blocked_by(file.attr.file_id).await.unwrap(), None);
    assert_eq!(names(&ready.list(&all()).await), ["a.txt"]);

    let created = ready.file("b.txt");
    ready.catalog.intent(ready.term, intent(&created, OperationType::FileCreate)).await.unwrap();
    ready.catalog.fail(ready.term, created.attr.tx, "data is missing").await.unwrap();
    assert_eq!(ready.catalog.blocked_by(created.attr.file_id).await.unwrap(), Some(created.attr.tx));
    ready.commit(&created).await;
    assert_eq!(names(&ready.list(&all()).await), ["b.txt", "a.txt"]);
}

pub async fn the_log_is_paged_and_counted(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let files: Vec<_> = (0..5).map(|n| ready.file(&format!("{n}.txt"))).collect();
    let mut started = Vec::new();
    for file in &files {
        let row = intent(file, OperationType::FileCreate);
        started.push(row.started_at);
        ready.catalog.intent(ready.term, row).await.unwrap();
    }
    ready.commit(&files[0]).await;
    ready.catalog.fail(ready.term, files[4].attr.tx, "x").await.unwrap();
    let pending = ready.catalog.wal_pending().await.unwrap();
    assert_eq!(pending, WalPending { pending: 3, failed: 1, oldest: Some(started[1]) });
    let mut query = WalQuery { limit: 2, ..WalQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = ready.catalog.wal(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some((last.started_at, last.transaction_id));
        seen.extend(page.iter().map(|row| row.transaction_id));
    }
    assert_eq!(seen, files.iter().map(|file| file.attr.tx).collect::<Vec<_>>());
    let open = vec![WalStatus::Pending, WalStatus::Failed];
    let query = WalQuery { statuses: open, files_only: true, after: None, limit: 10 };
    assert_eq!(ready.catalog.wal(&query).await.unwrap().len(), 4);
}

pub async fn odd_text_is_kept(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let mut file = ready.file("\u{1F4C4} \"quoted\" 'x'; DROP TABLE files; -- .PDF");
    file.attr.description = Some("\u{202e}\u{feff}\u{10ffff} combining e\u{301} line\nbreak".to_owned());
    file.attr.tags = vec!["%".to_owned(), "_".to_owned(), "a\"b".to_owned(), "\u{1F468}\u{200d}\u{1F469}".to_owned()];
    file.attr.metadata = serde_json::from_value(json!({"": "", "a\"b": {"c.d": [1, null, 1e300]}})).unwrap();
    ready.put(&file).await;
    assert_eq!(ready.catalog.file(file.attr.file_id).await.unwrap(), Some(file.clone()));
    assert_eq!(ready.list(&all()).await.rows, [file]);
}

pub async fn one_refused_commit_fails_only_itself(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let mut first = ready.file("first.txt");
    first.attr.idempotency_key = Some("k".to_owned());
    ready.put(&first).await;
    let mut double = ready.file("double.txt");
    double.attr.idempotency_key = Some("k".to_owned());
    let mut nul = ready.file("nul.txt");
    nul.attr.description = Some("a\u{0}b".to_owned());
    nul.attr.metadata = serde_json::from_value(json!({"k\u{0}": "\u{0}"})).unwrap();
    let good: Vec<_> = (0..20).map(|n| ready.file(&format!("{n}.txt"))).collect();
    let rows: Vec<_> = good[..10].iter().chain([&double, &nul]).chain(&good[10..]).collect();
    for row in &rows {
        ready.catalog.intent(ready.term, intent(row, OperationType::FileCreate)).await.unwrap_or_else(|error| {
            assert!(matches!(error, CatalogError::Refused { .. }), "{error}");
            storage_node::catalog::IntentVerdict::TermOver
        });
    }
    let verdicts = join_all(rows.iter().map(|row| ready.catalog.commit(ready.term, commit(row)))).await;
    for (row, verdict) in rows.iter().zip(&verdicts) {
        match row.attr.original_filename.as_str() {
            "double.txt" => assert!(matches!(verdict, Err(CatalogError::Refused { .. })), "{verdict:?}"),
            // Kept or refused, as the make can; never in the way of others.
            "nul.txt" => assert!(matches!(verdict, Ok(_) | Err(CatalogError::Refused { .. })), "{verdict:?}"),
            name => assert!(matches!(verdict, Ok(CommitVerdict::Committed)), "{name}: {verdict:?}"),
        }
    }
    if verdicts[11].is_ok() {
        assert_eq!(ready.catalog.file(nul.attr.file_id).await.unwrap(), Some(nul));
    }
}
