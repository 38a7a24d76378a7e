//! Every filter finds what it says, alone and together with others, with and without a text.

use serde_json::json;
use storage_node::model::{FileQuery, FileStatus, Filter, MetadataFilter, Order, Sort, Timestamp, parse_text_query};

use crate::made::{Make, Ready, all, deleted, intent, names};

fn value(path: &[&str], value: &str) -> Filter {
    let path = path.iter().map(|key| (*key).to_owned()).collect();
    Filter { metadata: vec![MetadataFilter { path, value: value.to_owned() }], ..Filter::default() }
}

/// A filter, and the names it finds, newest first.
fn table(first: Timestamp, second: Timestamp) -> Vec<(Filter, &'static [&'static str])> {
    let none = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    let tags = |tags: &[&str]| Filter { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..none() };
    vec![
        (none(), &["100%_done.JPG", "Отчёт.pdf", "a.b.txt"]),
        (tags(&["red"]), &["Отчёт.pdf", "a.b.txt"]),
        (tags(&["red", "Синий кит"]), &["Отчёт.pdf"]),
        (tags(&["red", "missing"]), &[]),
        (tags(&["re"]), &[]),
        (Filter { created_by: text("u-2"), ..none() }, &["Отчёт.pdf"]),
        (Filter { created_by: text("ivan"), ..none() }, &["100%_done.JPG", "a.b.txt"]),
        (Filter { filename: text("отчЁТ"), ..none() }, &["Отчёт.pdf"]),
        (Filter { filename: text("%"), ..none() }, &["100%_done.JPG"]),
        (Filter { filename: text("_"), ..none() }, &["100%_done.JPG"]),
        (Filter { filename: text("B.T"), ..none() }, &["a.b.txt"]),
        (Filter { extension: text("jpg"), ..none() }, &["100%_done.JPG"]),
        (Filter { extension: text("PDF"), ..none() }, &["Отчёт.pdf"]),
        (Filter { extension: text("b.txt"), ..none() }, &[]),
        (Filter { content_type: text("image/*"), ..none() }, &["100%_done.JPG"]),
        (Filter { content_type: text("Image/JPEG"), ..none() }, &["100%_done.JPG"]),
        (Filter { content_type: text("image/png"), ..none() }, &[]),
        (Filter { size_min: Some(20), ..none() }, &["100%_done.JPG", "Отчёт.pdf"]),
        (Filter { size_min: Some(20), size_max: Some(20), ..none() }, &["Отчёт.pdf"]),
        (Filter { size_max: Some(u64::MAX), ..none() }, &["100%_done.JPG", "Отчёт.pdf", "a.b.txt"]),
        (Filter { created_from: Some(second), ..none() }, &["100%_done.JPG", "Отчёт.pdf"]),
        (Filter { created_to: Some(first), ..none() }, &["a.b.txt"]),
        (Filter { created_to: Some(first.plus_micros(-1)), ..none() }, &[]),
        (
            Filter { created_from: Some(Timestamp::MIN), created_to: Some(Timestamp::MAX), ..none() },
            &["100%_done.JPG", "Отчёт.pdf", "a.b.txt"],
        ),
        (Filter { updated_from: Some(second), updated_to: Some(second), ..none() }, &["Отчёт.pdf"]),
        (value(&["a", "b"], "x"), &["a.b.txt"]),
        (value(&["a.b"], "x"), &["Отчёт.pdf"]),
        (value(&["n"], "42"), &["100%_done.JPG", "Отчёт.pdf", "a.b.txt"]),
        (value(&["n"], "42.0"), &["Отчёт.pdf", "a.b.txt"]),
        (value(&["yes"], "true"), &["100%_done.JPG", "a.b.txt"]),
        (value(&["yes"], "1"), &[]),
        (value(&["q\"\\'"], "1.5"), &["Отчёт.pdf"]),
        (value(&["none"], "null"), &[]),
        (Filter { status: Some(FileStatus::Deleted), ..none() }, &["gone.txt"]),
        (Filter { extension: text("txt"), status: Some(FileStatus::Deleted), ..none() }, &["gone.txt"]),
        (Filter { tags: vec!["red".to_owned()], size_max: Some(10), ..value(&["a", "b"], "x") }, &["a.b.txt"]),
    ]
}

pub async fn each_finds_what_it_says(make: &dyn Make) {
    let ready = Ready::new(make).await;
    let at = |n: i64| Timestamp::parse("2026-03-01T10:00:00Z").unwrap().plus_micros(n * 1_000_000);
    let mut rows = Vec::new();
    for (n, name) in ["a.b.txt", "Отчёт.pdf", "100%_done.JPG", "gone.txt"].into_iter().enumerate() {
        let mut row = ready.file(name);
        let n = i64::try_from(n).unwrap();
        let id = row.attr.file_id.as_u128() & ((1 << 80) - 1) | (u128::try_from(at(n).millis()).unwrap() << 80);
        row.attr.file_id = uuid::Uuid::from_u128(id);
        (row.attr.created_at, row.attr.updated_at) = (at(n), at(n));
        row.attr.file_size = 10 * u64::try_from(n + 1).unwrap();
        row.attr.description = Some("common".to_owned());
        rows.push(row);
    }
    rows[0].attr.tags = vec!["red".to_owned()];
    rows[0].attr.metadata = serde_json::from_value(json!({"a": {"b": "x"}, "n": 42, "yes": true})).unwrap();
    rows[1].attr.tags = vec!["Синий кит".to_owned(), "red".to_owned()];
    rows[1].attr.metadata =
        serde_json::from_value(json!({"a.b": "x", "n": 42.0, "q\"\\'": 1.5, "none": null})).unwrap();
    (rows[1].attr.created_by_id, rows[1].attr.created_by_username) = ("u-2".to_owned(), "olga".to_owned());
    rows[2].attr.content_type = "image/jpeg".to_owned();
    rows[2].attr.metadata = serde_json::from_value(json!({"n": "42", "yes": "true"})).unwrap();
    for row in &rows {
        ready.put(row).await;
    }
    let gone = deleted(&rows[3]);
    ready.catalog.intent(ready.term, intent(&gone, storage_node::model::OperationType::FileDelete)).await.unwrap();
    ready.commit(&gone).await;

    for (filter, expected) in table(at(0), at(1)) {
        for text in [None, parse_text_query("common")] {
            for sort in [Sort::CreatedAt, Sort::UpdatedAt, Sort::FileSize, Sort::OriginalFilename, Sort::Relevance] {
                if sort == Sort::Relevance && text.is_none() {
                    continue;
                }
                let page = storage_node::model::PageRequest::Offset(0);
                let query = FileQuery { filter: filter.clone(), text: text.clone(), sort, page, ..all() };
                let page = ready.list(&query).await;
                let mut found = names(&page);
                let mut expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
                if sort == Sort::OriginalFilename {
                    expected.sort_by(|a, b| b.cmp(a));
                }
                if sort == Sort::UpdatedAt && filter.status.is_some() {
                    found.sort();
                }
                assert_eq!(found, expected, "{query:?}");
                assert_eq!(page.total, Some(expected.len() as u64), "{query:?}");
                let backwards = ready.list(&FileQuery { order: Order::Asc, ..query }).await;
                if sort != Sort::Relevance {
                    expected.reverse();
                }
                assert_eq!(names(&backwards), expected);
            }
        }
    }
}

/// A part may stand anywhere in a name, be of any length and of any signs: what a plain look at each name finds is found,
/// and nothing else.
pub async fn parts_of_names_are_found_wherever_they_stand(make: &dyn Make) {
    const NAMES: [&str; 9] = [
        "Договор_аренды-2024.pdf",
        "договоры.xlsx",
        "o'brien \\ co.txt",
        "100%_sure?*.txt",
        "a",
        "ab",
        "aab.b",
        "😀😀 смех.png",
        "İstanbul ẞ.doc",
    ];
    const PARTS: [&str; 38] = [
        "д",
        "до",
        "дог",
        "ДОГОВОР",
        "договоры",
        "договор_аренды-2024.pdf",
        "договор_аренды-2024.pdf.",
        "024.pdf",
        "pdf",
        "df",
        "f",
        ".pdf/",
        "f/",
        "/",
        "//",
        "'",
        "o'b",
        "'b",
        "\\",
        " \\ ",
        "\\ co",
        "%",
        "%_s",
        "_",
        "?*.",
        "*",
        "a",
        "ab",
        "b",
        "aab",
        "abb",
        "ab.b",
        "😀",
        "😀😀",
        "😀 с",
        "istanbul",
        "ß",
        "ры.xls",
    ];
    let ready = Ready::new(make).await;
    for name in NAMES {
        ready.put(&ready.file(name)).await;
    }
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    for part in PARTS {
        for sort in [Sort::CreatedAt, Sort::OriginalFilename] {
            let filter = Filter { filename: Some(part.to_owned()), ..Filter::default() };
            let mut found = names(&ready.list(&FileQuery { filter, sort, ..all() }).await);
            let mut expected: Vec<_> = NAMES.iter().filter(|name| lower(name).contains(&lower(part))).collect();
            found.sort();
            expected.sort_unstable();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{part}");
        }
    }
    // With a word, a tag and a page of their own.
    let filter =
        Filter { filename: Some("_АРЕН".to_owned()), extension: Some("pdf".to_owned()), ..Filter::default() };
    let query = FileQuery { filter, text: parse_text_query("договор"), sort: Sort::Relevance, ..all() };
    assert_eq!(names(&ready.list(&query).await), ["Договор_аренды-2024.pdf"]);
}
