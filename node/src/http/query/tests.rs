use proptest::prelude::*;
use uuid::Uuid;

use super::cursor::encode as encode_cursor;
use super::{decode_cursor, parse, wants_deleted};
use crate::model::{CursorKey, FileStatus, Order, PageRequest, Sort, SortValue, Timestamp};

fn field_of(query: &str, search: bool) -> String {
    let error = parse(Some(query), search).expect_err(query);
    let envelope: serde_json::Value = serde_json::from_slice(&error.envelope("id")).unwrap();
    assert_eq!(envelope["error"]["code"], "VALIDATION_ERROR", "{query}");
    envelope["error"]["details"]["field"].as_str().unwrap().to_owned()
}

#[test]
fn everything_can_be_asked_for() {
    let query = parse(
        Some(
            "tags=a&tags=b%20c&created_by=ann&filename=50%25_x&extension=PDF&content_type=image/*&size_min=1&size_max=9\
             &created_from=2026-11-25&created_to=2026-11-25&updated_from=2026-11-25T03:00:00%2B03:00\
             &metadata.a.b=7&sort=file_size&order=asc&limit=1000&offset=5",
        ),
        false,
    )
    .unwrap();
    let filter = query.filter;
    assert_eq!(filter.tags, ["a", "b c"]);
    assert_eq!(filter.filename.as_deref(), Some("50%_x"));
    assert_eq!(filter.created_from, Timestamp::parse("2026-11-25T00:00:00Z"));
    assert_eq!(filter.created_to, Timestamp::parse("2026-11-25T23:59:59.999999Z"));
    assert_eq!(filter.updated_from, Timestamp::parse("2026-11-25T00:00:00Z"));
    assert_eq!(filter.metadata[0].path, ["a", "b"]);
    assert_eq!(filter.status, Some(FileStatus::Active));
    assert_eq!((query.sort, query.order, query.limit), (Sort::FileSize, Order::Asc, 1000));
    assert_eq!(query.page, PageRequest::Offset(5));
}

#[test]
fn newest_first_unless_said_and_most_relevant_first_in_a_search() {
    let list = parse(None, false).unwrap();
    assert_eq!((list.sort, list.order, list.limit), (Sort::CreatedAt, Order::Desc, 100));
    assert_eq!(list.page, PageRequest::First);
    let search = parse(Some("q=contract"), true).unwrap();
    assert_eq!((search.sort, search.order), (Sort::Relevance, Order::Desc));
    assert!(search.text.is_some());
}

#[test]
fn what_cannot_be_taken_is_named() {
    for (query, search, field) in [
        ("colour=red", false, "colour"),
        ("q=x", false, "q"),
        ("", true, "q"),
        ("q=", true, "q"),
        ("q=%22%22", true, "q"),
        ("limit=0", false, "limit"),
        ("limit=1001", false, "limit"),
        ("limit=+5", false, "limit"),
        ("limit=5&limit=5", false, "limit"),
        ("order=up", false, "order"),
        ("sort=relevance", false, "sort"),
        ("sort=name", false, "sort"),
        ("status=gone", false, "status"),
        ("size_min=-1", false, "size_min"),
        ("size_min=9223372036854775808", false, "size_min"),
        ("size_min=5&size_max=4", false, "size_max"),
        ("created_from=2026-11-26&created_to=2026-11-25", false, "created_to"),
        ("updated_from=2026-11-26&updated_to=2026-11-25", false, "updated_to"),
        ("created_from=yesterday", false, "created_from"),
        ("created_from=2026-02-30", false, "created_from"),
        ("cursor=abc", false, "cursor"),
        ("cursor=abc&offset=0", false, "offset"),
        ("offset=-1", false, "offset"),
        ("filename=%00", false, "filename"),
        ("filename=%ff", false, "filename"),
        ("filename=", false, "filename"),
        ("extension=.pdf", false, "extension"),
        ("content_type=pdf", false, "content_type"),
        ("content_type=*/*", false, "content_type"),
        ("metadata.=1", false, "metadata."),
        ("metadata.a..b=1", false, "metadata.a..b"),
        ("metadata.a=1&metadata.a=2", false, "metadata.a"),
    ] {
        assert_eq!(field_of(query, search), field, "{query}");
    }
}

#[test]
fn a_cursor_belongs_to_its_sort_and_order() {
    let key = CursorKey { value: SortValue::Number(7), id: Uuid::nil() };
    let cursor = encode_cursor(Sort::CreatedAt, Order::Desc, key.clone()).unwrap();
    assert_eq!(parse(Some(&format!("cursor={cursor}")), false).unwrap().page, PageRequest::After(key));
    assert_eq!(field_of(&format!("cursor={cursor}&sort=file_size"), false), "cursor");
    assert_eq!(field_of(&format!("cursor={cursor}&order=asc"), false), "cursor");
    assert_eq!(field_of(&format!("q=x&cursor={cursor}"), true), "cursor");
    let wrong = CursorKey { value: SortValue::Number(7), id: Uuid::nil() };
    let wrong = encode_cursor(Sort::OriginalFilename, Order::Desc, wrong).unwrap();
    assert!(decode_cursor(&wrong, Sort::OriginalFilename, Order::Desc).is_err());
}

#[test]
fn asking_for_deleted_files_is_seen_before_the_rest_is_checked() {
    assert!(wants_deleted(Some("limit=x&status=deleted")));
    assert!(!wants_deleted(Some("status=active")));
    assert!(!wants_deleted(None));
}

proptest! {
    #[test]
    fn any_query_is_read_without_fault(query in "[ -~]{0,120}", search: bool) {
        let _ = parse(Some(&query), search);
    }

    #[test]
    fn cursors_read_back(value in any::<i64>(), name in "\\PC{0,255}", id in any::<u128>()) {
        for (sort, value) in [(Sort::UpdatedAt, SortValue::Number(value)), (Sort::OriginalFilename, SortValue::Text(name))] {
            let key = CursorKey { value, id: Uuid::from_u128(id) };
            let cursor = encode_cursor(sort, Order::Asc, key.clone()).unwrap();
            prop_assert_eq!(decode_cursor(&cursor, sort, Order::Asc).unwrap(), key);
        }
    }
}
