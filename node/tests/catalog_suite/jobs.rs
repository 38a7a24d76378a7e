//! Jobs: one running of a kind, noted while they run, kept for a while.

use serde_json::json;
use storage_node::catalog::{JobKind, JobRow, JobState};
use storage_node::model::Timestamp;
use uuid::Uuid;

use crate::made::{Make, Ready};

fn job(kind: JobKind, started: i64) -> JobRow {
    JobRow {
        job_id: Uuid::now_v7(),
        kind,
        state: JobState::Running,
        started_at: Timestamp::from_micros(1_800_000_000_000_000 + started),
        finished_at: None,
        progress: json!({"done": 0, "total": null, "bytes": 0, "rate": 0.5, "eta_seconds": null}),
        report: None,
        node: "node-a".to_owned(),
    }
}

pub async fn one_of_a_kind_runs(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let rivals: Vec<_> = (0..8).map(|n| job(JobKind::Verify, n)).collect();
    let began = futures_util::future::join_all(rivals.iter().map(|job| ready.catalog.start_job(job))).await;
    let began: Vec<bool> = began.into_iter().map(Result::unwrap).collect();
    assert_eq!(began.iter().filter(|began| **began).count(), 1, "{began:?}");
    let running = rivals.iter().zip(&began).find(|(_, began)| **began).unwrap().0;
    assert!(ready.catalog.start_job(running).await.unwrap(), "asked again, it has begun");
    assert_eq!(ready.catalog.jobs(10).await.unwrap(), std::slice::from_ref(running));
    assert!(ready.catalog.start_job(&job(JobKind::Gc, 1)).await.unwrap(), "another kind");

    let mut row = running.clone();
    row.progress = json!({"done": 5, "total": 10, "bytes": 50, "rate": 1.5, "eta_seconds": 3});
    assert!(ready.catalog.update_job(&row).await.unwrap());
    assert_eq!(ready.catalog.job(row.job_id).await.unwrap(), Some(row.clone()));
    row.state = JobState::Succeeded;
    row.finished_at = Some(row.started_at.plus_micros(7));
    row.report = Some(json!({"files": 10, "найдено": [1, 2]}));
    assert!(ready.catalog.update_job(&row).await.unwrap());
    assert_eq!(ready.catalog.job(row.job_id).await.unwrap(), Some(row.clone()));

    let late = JobRow { state: JobState::Cancelled, ..row.clone() };
    assert!(!ready.catalog.update_job(&late).await.unwrap(), "an end is final");
    assert!(!ready.catalog.update_job(&JobRow { state: JobState::Running, ..row.clone() }).await.unwrap());
    assert!(!ready.catalog.start_job(running).await.unwrap(), "ended, it does not begin again");
    assert_eq!(ready.catalog.job(row.job_id).await.unwrap(), Some(row));
    assert!(ready.catalog.start_job(&job(JobKind::Verify, 9)).await.unwrap());
    assert!(!ready.catalog.update_job(&job(JobKind::Rebuild, 9)).await.unwrap(), "nobody knows it");
    assert_eq!(ready.catalog.job(Uuid::now_v7()).await.unwrap(), None);
}

pub async fn interrupted_with_their_node(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let ours = job(JobKind::Verify, 1);
    let theirs = JobRow { node: "node-b".to_owned(), ..job(JobKind::Gc, 2) };
    for job in [&ours, &theirs] {
        assert!(ready.catalog.start_job(job).await.unwrap());
    }
    assert_eq!(ready.catalog.interrupt_jobs(Some("node-c")).await.unwrap(), 0);
    let before = ready.catalog.now().await.unwrap();
    assert_eq!(ready.catalog.interrupt_jobs(Some("node-b")).await.unwrap(), 1);
    let row = ready.catalog.job(theirs.job_id).await.unwrap().unwrap();
    assert_eq!((row.state, row.finished_at >= Some(before)), (JobState::Interrupted, true), "{row:?}");
    assert_eq!(ready.catalog.job(ours.job_id).await.unwrap(), Some(ours.clone()));
    assert!(!ready.catalog.update_job(&theirs).await.unwrap(), "it runs no more");
    assert_eq!(ready.catalog.interrupt_jobs(None).await.unwrap(), 1);
    assert_eq!(ready.catalog.job(ours.job_id).await.unwrap().unwrap().state, JobState::Interrupted);
    assert!(ready.catalog.start_job(&job(JobKind::Verify, 3)).await.unwrap());
}

pub async fn the_latest_hundred_ended_are_kept(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let longest = job(JobKind::Rebuild, 0);
    assert!(ready.catalog.start_job(&longest).await.unwrap());
    let mut ids = Vec::new();
    for started in 1..=105 {
        let mut job = job(JobKind::Gc, started);
        assert!(ready.catalog.start_job(&job).await.unwrap());
        job.state = JobState::Failed;
        assert!(ready.catalog.update_job(&job).await.unwrap());
        ids.push(job.job_id);
    }
    let jobs = ready.catalog.jobs(1_000).await.unwrap();
    let newest: Vec<_> = ids.iter().rev().take(100).copied().chain([longest.job_id]).collect();
    assert_eq!(jobs.iter().map(|job| job.job_id).collect::<Vec<_>>(), newest, "the running one stays, however old");
    assert!(jobs[0].finished_at.is_some(), "an end without a time ends now");
    assert_eq!(ready.catalog.jobs(2).await.unwrap().len(), 2);
}
