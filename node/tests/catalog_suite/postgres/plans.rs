//! How lists and searches are gone about: with an index, whatever is asked. `SE_PLAN_ROWS` sets how many files there are.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection};
use storage_node::catalog::Catalog;
use storage_node::catalog::postgres::PostgresCatalog;
use storage_node::model::{
    CursorKey, FileQuery, FileStatus, Filter, MetadataFilter, Order, PageRequest, Sort, SortValue, Timestamp,
    parse_text_query,
};

use super::At;
use crate::made::{Ready, all};

/// Fills the table with copies of twenty files, each with a name and a word of its own.
async fn filled(at: &At, files: u32) -> PostgresCatalog {
    let ready = Ready::new(at).await;
    for n in 0..20_u32 {
        let mut row = ready.file("Договор.pdf");
        row.attr.description = Some(format!("contract with client {n} about the lease of an office"));
        row.attr.tags = vec!["signed".to_owned(), format!("year{n}")];
        row.attr.metadata = serde_json::from_value(serde_json::json!({"case": {"number": n}})).unwrap();
        row.attr.created_by_id = format!("u-{n}");
        ready.put(&row).await;
    }
    let mut conn = at.connect().await;
    // Indexes that are made at the end are made in a fifth of the time that it takes to fill them row by row.
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'files' \
         AND indexdef LIKE '% USING gin %'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    assert_eq!(indexes.len(), 2, "{indexes:?}");
    let drop: String = indexes.iter().flat_map(|(name, _)| ["DROP INDEX ", name, ";"]).collect();
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut conn).await.unwrap();
    let sql = format!(
        "INSERT INTO files SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7000' || '8' \
         || lpad(to_hex(n), 15, '0'))::uuid, CASE WHEN n % 50 = 0 THEN 'deleted' ELSE 'active' END, 1, \
         n::bigint * 104729 % {files}, \
         1700000000000000 + n * 1000, 1700000000000000 + (n::bigint * 7919 % {files}) * 1000, cached_at, false, NULL, \
         created_by_id, created_by_username, 'Договор_' || n || '.pdf', 'договор_' || n || '.pdf', content_type, NULL, \
         NULL, false, metadata, \
         words || (n || ':9A' || CASE WHEN n < {files} / 4 THEN ' era:8A' ELSE '' END)::tsvector, attr \
         FROM generate_series(1, {files}) AS n JOIN (SELECT *, row_number() OVER (ORDER BY file_id) AS r FROM files) AS f \
         ON f.r = n % 20 + 1"
    );
    sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    // Those that were copied are years newer than the rest.
    sqlx::raw_sql("DELETE FROM files WHERE created_at > 1750000000000000").execute(&mut conn).await.unwrap();
    let make: String = indexes.iter().flat_map(|(_, definition)| [definition, ";"]).collect();
    let make = format!("SET maintenance_work_mem = '512MB'; {make} VACUUM ANALYZE files");
    for sql in make.split(';') {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.unwrap();
    }
    conn.close().await.unwrap();
    at.open().await
}

const SORTS: [Sort; 4] = [Sort::CreatedAt, Sort::UpdatedAt, Sort::OriginalFilename, Sort::FileSize];

/// Each kind of condition, common and rare.
fn filters() -> Vec<(&'static str, Filter)> {
    let none = Filter::default;
    let said = |text: &str| Some(text.to_owned());
    let middle = Timestamp::from_micros(1_700_000_050_000_000);
    let number = |value: &str| MetadataFilter { path: vec!["case".into(), "number".into()], value: value.to_owned() };
    vec![
        ("all", none()),
        ("tag", Filter { tags: vec!["year7".into()], ..none() }),
        ("common tag", Filter { tags: vec!["signed".into()], ..none() }),
        ("sender", Filter { created_by: said("u-3"), ..none() }),
        ("extension", Filter { extension: said("pdf"), ..none() }),
        ("media type nobody has", Filter { content_type: said("image/*"), ..none() }),
        ("metadata", Filter { metadata: vec![number("7")], ..none() }),
        ("metadata nobody has", Filter { metadata: vec![number("777")], ..none() }),
        ("rare part of a name", Filter { filename: said("77123"), ..none() }),
        ("part of a name", Filter { filename: said("ОВОР_19"), ..none() }),
        ("two letters of a name", Filter { filename: said("_7"), ..none() }),
        ("two letters no name has", Filter { filename: said("ъъ"), ..none() }),
        ("size", Filter { size_min: Some(1_000), size_max: Some(2_000), ..none() }),
        ("created", Filter { created_to: Some(middle), ..none() }),
        ("updated", Filter { updated_from: Some(middle), ..none() }),
        ("deleted", Filter { status: Some(FileStatus::Deleted), ..none() }),
        (
            "several",
            Filter {
                tags: vec!["year7".into()],
                filename: said("_1"),
                size_min: Some(1_000),
                created_to: Some(middle),
                metadata: vec![number("7")],
                ..none()
            },
        ),
    ]
}

const TEXTS: [(&str, &str); 9] = [
    ("word in all", "договор"),
    ("words in all", "contract lease"),
    ("word in one of twenty", "year7"),
    ("old word", "era"),
    ("rare word", "77123"),
    ("no such word", "непримиримость"),
    ("phrase", "\"contract with client\""),
    ("beginning of all", "contr*"),
    ("beginning of some", "year1*"),
];

/// Every sort with every filter, every sort with every text, pages further on.
fn queries() -> Vec<(String, FileQuery)> {
    let mut queries = Vec::new();
    for sort in SORTS {
        for order in [Order::Desc, Order::Asc] {
            let list = FileQuery { limit: 100, sort, order, ..all() };
            for (what, filter) in filters() {
                queries.push((format!("{what} by {sort:?} {order:?}"), FileQuery { filter, ..list.clone() }));
            }
        }
    }
    let text = |text: &str, sort| FileQuery { text: parse_text_query(text), sort, limit: 100, ..all() };
    for (what, words) in TEXTS {
        for sort in SORTS.into_iter().chain([Sort::Relevance]) {
            queries.push((format!("{what} by {sort:?}"), text(words, sort)));
        }
        for (filtered, filter) in filters() {
            queries.push((format!("{what} and {filtered}"), FileQuery { filter, ..text(words, Sort::Relevance) }));
        }
        let page = PageRequest::Offset(200);
        queries.push((format!("{what}, third page"), FileQuery { page, ..text(words, Sort::Relevance) }));
    }
    let after = |sort, value| {
        let page = PageRequest::After(CursorKey { value, id: uuid::Uuid::nil() });
        FileQuery { page, limit: 100, sort, ..all() }
    };
    let middle = SortValue::Number(1_700_000_050_000_000);
    queries.push(("next page".into(), after(Sort::CreatedAt, middle.clone())));
    queries.push(("next page by change".into(), after(Sort::UpdatedAt, middle.clone())));
    queries.push(("next page by size".into(), after(Sort::FileSize, SortValue::Number(50_000))));
    queries.push(("next page by name".into(), after(Sort::OriginalFilename, SortValue::Text("Договор_5".into()))));
    queries.push((
        "next page of a word".into(),
        FileQuery { text: parse_text_query("year7"), ..after(Sort::CreatedAt, middle) },
    ));
    let deep = FileQuery { page: PageRequest::Offset(1_000), limit: 100, ..all() };
    queries.push(("deep page".into(), deep));
    queries
}

/// Blocks that a statement read.
fn blocks(plan: &str) -> u64 {
    let line = plan.lines().find_map(|line| line.trim().strip_prefix("Buffers: shared ")).unwrap_or_default();
    let words = line.split([' ', ',']);
    let read = words.filter_map(|word| word.strip_prefix("hit=").or_else(|| word.strip_prefix("read=")));
    read.filter_map(|number| number.parse::<u64>().ok()).sum()
}

/// `SE_PLAN_ROWS=1000000` for the long form. The plans of the very statements that are sent for a page are read, with
/// the blocks that they took: these are the same on a busy machine.
#[tokio::test(flavor = "multi_thread")]
async fn every_list_and_search_uses_an_index() {
    let asked = std::env::var("SE_PLAN_ROWS").ok().and_then(|files| files.parse().ok());
    let (measure, files) = (asked.is_some(), asked.unwrap_or(200_000));
    let catalog = filled(&At::shared(), files).await;
    let mut worst = Vec::new();
    for (what, query) in queries() {
        let plans = catalog.plans(&query).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!plans.is_empty(), "{what}");
        for plan in &plans {
            let uses = ["Index Scan", "Index Only Scan", "Bitmap Index Scan"].iter().any(|scan| plan.contains(scan));
            assert!(uses || plan.contains("One-Time Filter: false"), "{what}:\n{plan}");
            assert!(!plan.contains("Seq Scan"), "{what}:\n{plan}");
        }
        let read: u64 = plans.iter().map(|plan| blocks(plan)).sum();
        assert!(read < u64::from(files) / 2, "{what} reads {read} blocks:\n{}", plans.join("\n"));
        let mut took = vec![Duration::ZERO];
        for _ in 0..if measure { 5 } else { 0 } {
            let began = Instant::now();
            catalog.list(&query).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            took.push(began.elapsed());
        }
        took.sort();
        worst.push((took[took.len() / 2], read, plans.len(), what, plans));
    }
    worst.sort();
    for (took, read, statements, what, _) in &worst {
        println!("{:.1} ms, {read} blocks, {statements} statements: {what}", took.as_secs_f64() * 1e3);
    }
    for (_, _, _, what, plans) in worst.iter().rev().take(6) {
        println!("{what}\n{}", plans.join("\n"));
    }
}
