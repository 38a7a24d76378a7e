//! Rebuild, correction, refresh.

use serde_json::json;
use storage_node::model::{OperationType, Timestamp, WalRow, WalStatus};
use uuid::Uuid;

use crate::made::{Make, Ready, all, names, next};

pub async fn marks_and_sweeps(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let (same, ahead, behind, lost) =
        (ready.file("same.txt"), ready.file("ahead.txt"), ready.file("behind.txt"), ready.file("lost.txt"));
    let newer = next(&ahead);
    for row in [&same, &newer, &behind, &lost] {
        ready.put(row).await;
    }
    let found = ready.file("found.txt");
    let mut later = next(&behind);
    later.attr.description = Some("новое".to_owned());
    let mut seen = same.clone();
    seen.cached_at = Timestamp::now().plus_micros(5_000_000);
    let mark = Uuid::now_v7();
    let batch = vec![seen.clone(), ahead.clone(), later.clone(), found.clone()];
    assert!(ready.catalog.rebuild_batch(ready.term, mark, batch).await.unwrap());
    let during = ready.file("during.txt");
    ready.put(&during).await;

    assert_eq!(ready.catalog.file(same.attr.file_id).await.unwrap(), Some(seen));
    assert_eq!(ready.catalog.file(ahead.attr.file_id).await.unwrap(), Some(newer.clone()));
    assert_eq!(ready.catalog.file(behind.attr.file_id).await.unwrap(), Some(later));
    assert_eq!(ready.found("новый").await, ["behind.txt"]);
    let mut unmarked = ready.catalog.unmarked(mark, None, 10).await.unwrap();
    assert_eq!(unmarked, [newer.clone(), lost.clone(), during.clone()]);
    let page = ready.catalog.unmarked(mark, Some(newer.attr.file_id), 1).await.unwrap();
    assert_eq!(page, [unmarked.remove(1)]);
    let ids: Vec<_> = ready.catalog.rows_after(None, 10).await.unwrap().iter().map(|row| row.attr.file_id).collect();
    assert!(ids.is_sorted() && ids.len() == 6);
    let rest = ready.catalog.rows_after(Some(ids[3]), 1).await.unwrap();
    assert_eq!(rest[0].attr.file_id, ids[4]);
    let other = ready.catalog.unmarked(Uuid::now_v7(), None, 10).await.unwrap();
    assert_eq!(other.len(), 6, "another rebuild has marked nothing");
}

pub async fn corrects_either_way(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let first = ready.file("first.txt");
    let mut second = next(&first);
    second.attr.original_filename = "second.txt".to_owned();
    ready.put(&second).await;
    let id = first.attr.file_id;
    assert!(ready.catalog.correct(ready.term, id, Some(first.clone())).await.unwrap());
    assert_eq!(ready.catalog.file(id).await.unwrap(), Some(first));
    assert_eq!(ready.found("first").await, ["first.txt"]);
    assert!(ready.catalog.correct(ready.term, id, Some(second)).await.unwrap());
    assert_eq!(names(&ready.list(&all()).await), ["second.txt"]);
    assert!(ready.catalog.correct(ready.term, id, None).await.unwrap());
    assert_eq!(ready.catalog.file(id).await.unwrap(), None);
    assert!(ready.found("second").await.is_empty());
    assert_eq!(ready.catalog.totals().await.unwrap().active_files, 0);
}

pub async fn refresh_never_inserts(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let first = ready.file("a.txt");
    ready.catalog.refresh(first.clone()).await.unwrap();
    assert_eq!(ready.catalog.file(first.attr.file_id).await.unwrap(), None);
    let second = next(&first);
    ready.put(&second).await;
    ready.catalog.refresh(first.clone()).await.unwrap();
    assert_eq!(ready.catalog.file(first.attr.file_id).await.unwrap(), Some(second.clone()));
    let mut damaged = second;
    damaged.damaged = true;
    damaged.cached_at = damaged.cached_at.plus_micros(1);
    ready.catalog.refresh(damaged.clone()).await.unwrap();
    assert_eq!(ready.catalog.file(first.attr.file_id).await.unwrap(), Some(damaged));
}

pub async fn ends_once(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let started_at = Timestamp::now();
    let row = WalRow {
        transaction_id: Uuid::now_v7(),
        operation_type: OperationType::CacheRebuild,
        status: WalStatus::Committed,
        file_id: None,
        operation_data: json!({"files": 3}),
        error_message: None,
        started_at,
        completed_at: Some(started_at.plus_micros(2_000_000)),
        duration_ms: Some(2_000),
        user_id: None,
        epoch: 1,
    };
    for _ in 0..2 {
        assert!(ready.catalog.end_rebuild(ready.term, row.clone()).await.unwrap());
    }
    assert_eq!(ready.catalog.wal_row(row.transaction_id).await.unwrap(), Some(row.clone()));
    let config = ready.catalog.config().await.unwrap().unwrap();
    assert_eq!((config.needs_rebuild, config.last_cache_rebuild), (false, row.completed_at));
    let other = storage_node::model::Term { epoch: 9, ..ready.term };
    assert!(!ready.catalog.end_rebuild(other, WalRow { transaction_id: Uuid::now_v7(), ..row }).await.unwrap());
}

/// Two attrs with one key, copied in by hand: both are files, so both are found.
pub async fn doubles_are_kept(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let mut rows: Vec<_> = ["a.txt", "b.txt", "c.txt"].iter().map(|name| ready.file(name)).collect();
    for row in &mut rows[..2] {
        row.attr.idempotency_key = Some("k".to_owned());
    }
    assert!(ready.catalog.rebuild_batch(ready.term, Uuid::now_v7(), rows.clone()).await.unwrap());
    assert_eq!(names(&ready.list(&all()).await), ["c.txt", "b.txt", "a.txt"]);
    assert_eq!(ready.catalog.file(rows[1].attr.file_id).await.unwrap(), Some(rows[1].clone()));
}
