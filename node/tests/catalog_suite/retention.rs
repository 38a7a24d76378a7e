//! What retention holds, and what gc may look at.

use storage_node::catalog::{CommitVerdict, IntentVerdict, RetentionSummary};
use storage_node::model::{FileRow, OperationType, Term, Timestamp, WalStatus};
use uuid::Uuid;

use crate::made::{Make, Ready, all, commit, deleted, intent, names, next};

fn ids(rows: &[FileRow]) -> Vec<Uuid> {
    rows.iter().map(|row| row.attr.file_id).collect()
}

pub async fn is_summed_over_active_files(make: &dyn Make) {
    let ready = Ready::new(make).await;
    assert_eq!(ready.catalog.retention().await.unwrap(), RetentionSummary::default());
    let until = Timestamp::parse("2031-01-01T00:00:00Z").unwrap();
    let mut rows: Vec<_> = (0..4).map(|n| ready.file(&format!("{n}.txt"))).collect();
    rows[0].attr.retention_until = Some(until);
    rows[1].attr.retention_until = Some(until.plus_days(1));
    rows[1].attr.legal_hold = true;
    rows[2].attr.legal_hold = true;
    for row in &rows {
        ready.put(row).await;
    }
    let summary = |latest, newest: &FileRow, legal_holds| RetentionSummary {
        latest_until: Some(latest),
        newest_created_at: Some(newest.attr.created_at),
        legal_holds,
    };
    let now = async || ready.catalog.retention().await.unwrap();
    assert_eq!(now().await, summary(until.plus_days(1), &rows[3], 2));

    let mut lifted = next(&rows[2]);
    lifted.attr.legal_hold = false;
    lifted.attr.retention_until = Some(until.plus_days(2));
    ready.put(&lifted).await;
    assert_eq!(now().await, summary(until.plus_days(2), &rows[3], 1));
    for row in [&rows[1], &lifted, &rows[3]] {
        ready.put(&deleted(row)).await;
    }
    assert_eq!(now().await, summary(until, &rows[0], 0), "deleted files hold nothing");
    assert!(ready.catalog.correct(ready.term, rows[0].attr.file_id, None).await.unwrap());
    assert_eq!(now().await, RetentionSummary::default());
    let mut rebuilt = ready.file("rebuilt.txt");
    rebuilt.attr.legal_hold = true;
    rebuilt.attr.retention_until = Some(until);
    assert!(ready.catalog.rebuild_batch(ready.term, Uuid::now_v7(), vec![rebuilt.clone()]).await.unwrap());
    assert_eq!(now().await, summary(until, &rebuilt, 1));
}

pub async fn candidates_come_by_age(make: &dyn Make) {
    let ready = Ready::new(make).await;
    // Two files of each millisecond, ten milliseconds apart, put in another order than that of their ids.
    let mut rows = Vec::new();
    for at in 0..6_u64 {
        for _ in 0..2 {
            let time = uuid::Timestamp::from_unix(uuid::NoContext, 1_790_000_000 + at / 100, 0);
            let mut bytes = *Uuid::new_v7(time).as_bytes();
            bytes[5] = u8::try_from(at * 10).unwrap();
            rows.push(crate::made::file(Uuid::from_bytes(bytes), &format!("{at}.txt")));
        }
    }
    rows.sort_by_key(|row| row.attr.file_id);
    for row in rows.iter().rev() {
        ready.put(row).await;
    }
    let until = |row: &FileRow| row.attr.created_at;
    let before = async |to, after: Option<&FileRow>, limit| {
        let after = after.map(|row| row.attr.file_id);
        ids(&ready.catalog.active_before(to, after, limit).await.unwrap())
    };
    assert_eq!(before(until(&rows[11]), None, 100).await, ids(&rows));
    assert_eq!(before(until(&rows[5]), None, 100).await, ids(&rows[..6]), "to the moment, included");
    assert_eq!(before(until(&rows[5]).plus_micros(-1), None, 100).await, ids(&rows[..4]));
    assert_eq!(before(until(&rows[5]), Some(&rows[2]), 2).await, ids(&rows[3..5]));
    assert!(before(until(&rows[0]).plus_micros(-1), None, 100).await.is_empty());
    assert!(before(Timestamp::MIN, None, 100).await.is_empty());
    assert_eq!(before(Timestamp::MAX, Some(&rows[10]), 100).await, ids(&rows[11..]));

    for row in [&rows[7], &rows[1], &rows[4]] {
        ready.put(&deleted(row)).await;
    }
    let gone = async |after: Option<&FileRow>, limit| {
        let after = after.map(|row| row.attr.file_id);
        ids(&ready.catalog.deleted(after, limit).await.unwrap())
    };
    let expected = [rows[1].attr.file_id, rows[4].attr.file_id, rows[7].attr.file_id];
    assert_eq!(gone(None, 100).await, expected);
    assert_eq!(gone(None, 2).await, expected[..2]);
    assert!(ready.catalog.correct(ready.term, expected[1], None).await.unwrap());
    assert_eq!(gone(Some(&rows[4]), 2).await, expected[2..], "after a file that is gone meanwhile");
    let left = before(until(&rows[7]), None, 100).await;
    assert_eq!(left, ids(&[0, 2, 3, 5, 6].map(|n| rows[n].clone())));
}

pub async fn only_ended_rows_are_purged(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let files: Vec<_> = (0..6).map(|n| ready.file(&format!("{n}.txt"))).collect();
    for file in &files {
        let row = intent(file, OperationType::FileCreate);
        assert_eq!(ready.catalog.intent(ready.term, row).await.unwrap(), IntentVerdict::Accepted);
    }
    let [committed, undone, failed, pending, late, other] = files.as_slice() else { unreachable!() };
    for file in [committed, other] {
        assert_eq!(ready.commit(file).await, CommitVerdict::Committed);
    }
    ready.catalog.roll_back(ready.term, undone.attr.tx, "undone").await.unwrap();
    ready.catalog.fail(ready.term, failed.attr.tx, "cannot tell").await.unwrap();
    let status = async |file: &FileRow| {
        let row = ready.catalog.wal_row(file.attr.tx).await.unwrap();
        row.map(|row| (row.status, row.completed_at))
    };
    let (_, ended) = status(committed).await.unwrap();
    let purge = async |term, before: Timestamp, limit| ready.catalog.purge_wal(term, before, limit).await.unwrap();
    assert_eq!(purge(ready.term, Timestamp::from_micros(0), 10).await, 0);
    // Beginnings of these tests lie a little in the future; nothing ended before the first of them ended.
    let first = ended.unwrap().plus_micros(-1_000_000);
    assert_eq!(purge(ready.term, first, 10).await, 0);
    assert_eq!(
        purge(Term { epoch: 9, ..ready.term }, Timestamp::MAX, 10).await,
        0,
        "a term that is over removes nothing"
    );

    assert_eq!(purge(ready.term, Timestamp::MAX, 2).await, 2, "so many at once");
    assert_eq!(purge(ready.term, Timestamp::MAX, 10).await, 1);
    assert_eq!(purge(ready.term, Timestamp::MAX, 10).await, 0);
    for file in [committed, undone, other] {
        assert_eq!(status(file).await, None);
    }
    assert_eq!(status(failed).await, Some((WalStatus::Failed, None)));
    for file in [pending, late] {
        assert_eq!(status(file).await, Some((WalStatus::Pending, None)));
    }
    assert_eq!(ready.catalog.wal_pending().await.unwrap().pending, 2);
    // What is open can still end, and the files of purged rows are where they were.
    assert_eq!(ready.catalog.commit(ready.term, commit(late)).await.unwrap(), CommitVerdict::Committed);
    assert_eq!(names(&ready.list(&all()).await), ["5.txt", "4.txt", "0.txt"]);
}

pub async fn rows_come_by_their_ids(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let rows: Vec<_> = (0..5).map(|n| ready.file(&format!("{n}.txt"))).collect();
    for row in &rows {
        ready.put(row).await;
    }
    let gone = deleted(&rows[3]);
    ready.put(&gone).await;
    let wanted: Vec<_> = [4, 1, 3, 1].iter().map(|n: &usize| rows[*n].attr.file_id).chain([Uuid::now_v7()]).collect();
    let mut found = ready.catalog.files(&wanted).await.unwrap();
    found.sort_by_key(|row| row.attr.file_id);
    assert_eq!(found, [rows[1].clone(), gone, rows[4].clone()]);
    assert_eq!(ready.catalog.files(&[]).await.unwrap(), []);
    let many: Vec<_> = (0..5_000).map(|_| Uuid::now_v7()).chain([rows[0].attr.file_id]).collect();
    assert_eq!(ready.catalog.files(&many).await.unwrap(), [rows[0].clone()]);
}
