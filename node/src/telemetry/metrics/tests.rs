//! Names, labels, and what is left out.

use std::time::Duration;

use http::{Method, StatusCode};

use super::{CacheLookup, CapacityNumbers, Forwarded, Metrics, NO_ROUTE, Scrape, WalOutcome};

#[test]
fn every_metric_has_its_name_and_labels() {
    let metrics = Metrics::new("1.2.3").unwrap();
    let route = "/api/v1/files/{id}";
    metrics.request(&Method::GET, route, StatusCode::OK, Duration::from_millis(3));
    metrics.request(&Method::from_bytes(b"BREW").unwrap(), NO_ROUTE, StatusCode::NOT_FOUND, Duration::ZERO);
    metrics.received(10);
    metrics.sent(20);
    metrics.wal_transaction("FILE_CREATE", WalOutcome::Committed);
    metrics.cache_lookup(CacheLookup::Hit);
    metrics.takeover();
    metrics.forwarded(Forwarded::OutcomeUnknown);
    let scrape = Scrape {
        files: Some((3, 1)),
        stored_bytes: Some(4096),
        wal_pending: Some(0),
        wal_failed: Some(1),
        wal_oldest_pending_seconds: Some(0),
        catalog_transactions: 7,
        folder_syncs: 5,
        catalog_connections: Some((1, 2)),
        mode: Some("rw"),
        master: Some(true),
        epoch: Some(9),
        lease_renewals: vec![("ok", 8), ("conflict", 0)],
        lease_seconds_since_renewal: Some(1.5),
        capacity: Some(CapacityNumbers { total: None, used: 50, available: None, level: "warning" }),
        storage_broken: Some(false),
        jobs_running: vec![("rebuild", false), ("verify", true)],
        log_lines_dropped: 0,
        trace_spans_dropped: 2,
    };
    let text = metrics.render(&scrape).unwrap();
    for line in [
        r#"storage_element_http_requests_total{method="GET",route="/api/v1/files/{id}",status="200"} 1"#,
        r#"storage_element_http_requests_total{method="other",route="none",status="404"} 1"#,
        r#"storage_element_http_request_duration_seconds_bucket{method="GET",route="/api/v1/files/{id}",le="0.0025"} 0"#,
        r#"storage_element_http_request_duration_seconds_bucket{method="GET",route="/api/v1/files/{id}",le="0.005"} 1"#,
        "storage_element_received_bytes_total 10",
        "storage_element_sent_bytes_total 20",
        r#"storage_element_files{status="active"} 3"#,
        r#"storage_element_files{status="deleted"} 1"#,
        "storage_element_stored_bytes 4096",
        r#"storage_element_wal_transactions_total{operation="FILE_CREATE",outcome="committed"} 1"#,
        "storage_element_wal_pending 0",
        "storage_element_wal_failed 1",
        "storage_element_wal_oldest_pending_seconds 0",
        "storage_element_catalog_transactions_total 7",
        "storage_element_folder_syncs_total 5",
        r#"storage_element_cache_lookups_total{result="hit"} 1"#,
        r#"storage_element_cache_lookups_total{result="miss"} 0"#,
        r#"storage_element_mode{mode="rw"} 1"#,
        r#"storage_element_mode{mode="ar"} 0"#,
        "storage_element_master 1",
        "storage_element_epoch 9",
        "storage_element_takeovers_total 1",
        r#"storage_element_forwarded_requests_total{outcome="outcome_unknown"} 1"#,
        r#"storage_element_lease_renewals_total{outcome="ok"} 8"#,
        "storage_element_lease_seconds_since_renewal 1.5",
        r#"storage_element_capacity_bytes{kind="used"} 50"#,
        r#"storage_element_capacity_level{level="warning"} 1"#,
        r#"storage_element_capacity_level{level="ok"} 0"#,
        r#"storage_element_job_running{kind="verify"} 1"#,
        r#"storage_element_catalog_connections{state="idle"} 2"#,
        "storage_element_storage_broken 0",
        "storage_element_trace_spans_dropped_total 2",
        r#"storage_element_build_info{version="1.2.3"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains(r#"kind="total""#), "an unknown total is left out");
    assert!(!text.contains("BREW"), "a method without bound is no label");
}

#[test]
fn what_is_not_known_now_is_left_out_and_not_shown_as_it_once_was() {
    let metrics = Metrics::new("1").unwrap();
    let known = Scrape { epoch: Some(5), files: Some((1, 0)), ..Scrape::default() };
    assert!(metrics.render(&known).unwrap().contains("storage_element_epoch 5"));
    let text = metrics.render(&Scrape::default()).unwrap();
    assert!(!text.contains("storage_element_epoch") && !text.contains("storage_element_files{"), "{text}");
}

#[test]
fn a_counter_of_another_room_is_shown_as_it_is_however_often_it_is_asked_for() {
    let metrics = Metrics::new("1").unwrap();
    let scrape = Scrape { folder_syncs: 3, ..Scrape::default() };
    for _ in 0..3 {
        assert!(metrics.render(&scrape).unwrap().contains("storage_element_folder_syncs_total 3\n"));
    }
}
