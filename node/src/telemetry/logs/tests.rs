//! What lines look like, and what must never be in them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::layer::LineLayer;
use super::writer::{Sink, Writer};
use super::{LogError, filter, init};
use crate::config::{LogFormat, LoggingConfig};
use crate::security::{AuditLine, Caller, Outcome, Role};
use crate::telemetry::{TraceContext, record_user, request_span};

/// The lines that `act` logs.
fn logged(format: LogFormat, level: &str, act: impl FnOnce()) -> Vec<String> {
    let written = Arc::new(Mutex::new(Vec::new()));
    let writer = Writer::start(vec![Sink::Slow(Arc::clone(&written), Duration::ZERO)]).unwrap();
    let layer = LineLayer::new(format, writer.input()).with_filter(filter(level).unwrap());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
    drop(writer);
    let text = String::from_utf8(written.lock().clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn json(act: impl FnOnce()) -> Value {
    let lines = logged(LogFormat::Json, "info", act);
    assert_eq!(lines.len(), 1, "{lines:?}");
    serde_json::from_str(&lines[0]).unwrap()
}

#[test]
fn a_line_has_the_fields_of_the_product_page_in_order() {
    let lines = logged(LogFormat::Json, "info", || tracing::info!(size = 5_u64, name = "a\nb", "hello {}", 1));
    let names = "timestamp level logger module function line trace_id span_id request_id user_id message size name";
    let places: Vec<Vec<usize>> = names
        .split(' ')
        .map(|name| lines[0].match_indices(&format!("\"{name}\":")).map(|(place, _)| place).collect())
        .collect();
    assert!(places.iter().all(|found| found.len() == 1), "one of {names} is not there once in {}", lines[0]);
    assert!(places[..11].is_sorted(), "{}", lines[0]);
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["message"], "hello 1");
    assert_eq!(line["size"], 5);
    assert_eq!(line["name"], "a\nb");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["module"], module_path!());
    assert!(line["line"].as_u64().unwrap() > 0 && line["function"].is_null() && line["request_id"].is_null());
    assert!(crate::model::Timestamp::parse(line["timestamp"].as_str().unwrap()).is_some());
}

#[test]
fn request_user_and_trace_come_from_the_span_around_even_from_afar() {
    let trace = TraceContext::continue_from(Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    let line = json(|| {
        let span = request_span("req-1", &trace);
        record_user(&span, "u-7");
        span.in_scope(|| tracing::info_span!("write_attr").in_scope(|| tracing::info!("inside")));
    });
    assert_eq!(line["request_id"], "req-1");
    assert_eq!(line["user_id"], "u-7");
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(line["span_id"], trace.span_id.as_str());
    assert_eq!(line["function"], "write_attr");
}

#[test]
fn a_filter_of_levels_keeps_the_request_and_the_audit_trail() {
    let lines = logged(LogFormat::Json, "error", || {
        let span = request_span("req-2", &TraceContext::continue_from(None));
        span.in_scope(|| {
            tracing::info!("not this");
            tracing::info!(target: "audit", user_id = "someone", "this");
            tracing::error!("and this");
        });
    });
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line["request_id"] == "req-2"), "{lines:?}");
    assert_eq!(lines[0]["user_id"], "someone");
    assert!(logged(LogFormat::Json, "info,audit=off", || tracing::info!(target: "audit", "x")).is_empty());
}

#[test]
fn an_audit_line_says_who_what_which_file_from_where_and_how_it_ended() {
    let caller = Caller { id: "u-1".to_owned(), username: "ann".to_owned(), full_name: None, role: Some(Role::User) };
    let audit = AuditLine {
        action: "delete",
        caller: Some(&caller),
        file_id: Some(uuid::Uuid::nil()),
        remote: Some([127, 0, 0, 1].into()),
        outcome: Outcome::Refused,
        code: Some("FORBIDDEN"),
        details: None,
    };
    let line = json(|| audit.write());
    for (name, value) in [
        ("logger", "audit"),
        ("action", "delete"),
        ("user_id", "u-1"),
        ("username", "ann"),
        ("role", "user"),
        ("file_id", "00000000-0000-0000-0000-000000000000"),
        ("remote", "127.0.0.1"),
        ("outcome", "refused"),
        ("code", "FORBIDDEN"),
        ("message", "delete refused"),
    ] {
        assert_eq!(line[name], value, "{name}");
    }
    let line = json(|| AuditLine { caller: None, outcome: Outcome::Done, ..audit }.write());
    assert!(line["user_id"].is_null() && line["outcome"] == "done", "{line}");
}

#[test]
fn no_token_and_no_secret_in_any_field() {
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
    for format in [LogFormat::Json, LogFormat::Text] {
        let lines = logged(format, "info", || {
            tracing::info!(header = %format!("Bearer {TOKEN}"), "got {TOKEN}");
            tracing::info!(headers = ?[("authorization", TOKEN)], authorization = "Basic aGlkZGVu", "x");
            tracing::info!(url = "postgres://u:hidden@h/db", password = "hidden", "x");
        });
        let all = lines.join("\n");
        assert_eq!(lines.len(), 3);
        assert!(!all.contains("c2lnbmF0dXJl") && !all.contains("hidden") && !all.contains("aGlkZGVu"), "{all}");
    }
}

#[test]
fn text_is_for_people_and_one_line_stays_one_line() {
    let lines = logged(LogFormat::Text, "info", || {
        let span = request_span("req-3", &TraceContext::continue_from(None));
        span.in_scope(|| tracing::warn!(files = 3, "two\nlines \u{1b}[31m"));
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("WARN  storage_node::telemetry::logs::tests: two lines"), "{lines:?}");
    assert!(lines[0].ends_with("files=3 request_id=\"req-3\""), "{lines:?}");
    assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
}

#[test]
fn an_events_field_cannot_pass_for_a_part_of_the_line() {
    let line = json(|| tracing::info!(level = "fake", line = 1, "x"));
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["field_level"], "fake");
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        LoggingConfig { format: LogFormat::Json, level: "info".to_owned(), file: Some(folder.path().to_path_buf()) };
    assert!(matches!(init(&config), Err(LogError::File { .. })));
}
