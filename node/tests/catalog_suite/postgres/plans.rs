//! How lists and searches are gone about: with an index, whatever is asked. `SE_PLAN_FILES` sets how many files there are.

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
    let sql = format!(
        "INSERT INTO files SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7000' || '8' \
         || lpad(to_hex(n), 15, '0'))::uuid, CASE WHEN n % 50 = 0 THEN 'deleted' ELSE 'active' END, 1, n, \
         1700000000000000 + n * 1000, 1700000000000000 + ((n * 7919) % {files})::bigint * 1000, cached_at, false, NULL, \
         created_by_id, created_by_username, 'Договор_' || n || '.pdf', 'договор_' || n || '.pdf', content_type, NULL, \
         NULL, false, metadata, words || (n || ':9A')::tsvector, attr \
         FROM generate_series(1, {files}) AS n JOIN (SELECT *, row_number() OVER (ORDER BY file_id) AS r FROM files) AS f \
         ON f.r = n % 20 + 1"
    );
    sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
    sqlx::raw_sql("VACUUM ANALYZE files").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    at.open().await
}

fn queries() -> Vec<(&'static str, FileQuery)> {
    let list = |sort| FileQuery { limit: 100, sort, ..all() };
    let text = |text: &str, sort| FileQuery { text: parse_text_query(text), ..list(sort) };
    let with = |filter: Filter| FileQuery { filter, ..list(Sort::CreatedAt) };
    let none = Filter::default;
    let said = |text: &str| Some(text.to_owned());
    let middle = Timestamp::from_micros(1_700_000_050_000_000);
    let number = |value: &str| MetadataFilter { path: vec!["case".into(), "number".into()], value: value.to_owned() };
    let after = |sort, value| {
        let page = PageRequest::After(CursorKey { value, id: uuid::Uuid::nil() });
        FileQuery { page, ..list(sort) }
    };
    vec![
        ("newest", list(Sort::CreatedAt)),
        ("oldest", FileQuery { order: Order::Asc, ..list(Sort::CreatedAt) }),
        ("latest changes", list(Sort::UpdatedAt)),
        ("by name", list(Sort::OriginalFilename)),
        ("by size", list(Sort::FileSize)),
        ("next page", after(Sort::CreatedAt, SortValue::Number(middle.micros()))),
        ("next page by name", after(Sort::OriginalFilename, SortValue::Text("Договор_5".into()))),
        ("deep page", FileQuery { page: PageRequest::Offset(1_000), ..list(Sort::CreatedAt) }),
        ("common word, best", text("договор", Sort::Relevance)),
        ("common words, best", text("contract lease", Sort::Relevance)),
        ("common word, newest", text("contracts", Sort::CreatedAt)),
        ("common word by name", text("contracts", Sort::OriginalFilename)),
        ("rare word, best", text("77123", Sort::Relevance)),
        ("rare word, newest", text("77123", Sort::CreatedAt)),
        ("no such word", text("непримиримость", Sort::Relevance)),
        ("phrase", text("\"contract with client\"", Sort::Relevance)),
        ("beginning", text("contr*", Sort::Relevance)),
        ("tag", with(Filter { tags: vec!["year7".into()], ..none() })),
        ("common tag", with(Filter { tags: vec!["signed".into()], ..none() })),
        ("sender", with(Filter { created_by: said("u-3"), ..none() })),
        ("extension", with(Filter { extension: said("pdf"), ..none() })),
        ("media type", with(Filter { content_type: said("image/*"), ..none() })),
        ("metadata", with(Filter { metadata: vec![number("7")], ..none() })),
        ("metadata nobody has", with(Filter { metadata: vec![number("777")], ..none() })),
        ("part of a name", with(Filter { filename: said("ОВОР_19"), ..none() })),
        ("size", with(Filter { size_min: Some(1_000), size_max: Some(2_000), ..none() })),
        ("created", with(Filter { created_to: Some(middle), ..none() })),
        ("updated", with(Filter { updated_from: Some(middle), ..none() })),
        ("deleted", with(Filter { status: Some(FileStatus::Deleted), ..none() })),
        (
            "word and tag",
            FileQuery {
                filter: Filter { tags: vec!["year7".into()], ..none() }, ..text("договор", Sort::Relevance)
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_and_search_uses_an_index() {
    let asked = std::env::var("SE_PLAN_FILES").ok().and_then(|files| files.parse().ok());
    let catalog = filled(&At::shared(), asked.unwrap_or(200_000)).await;
    for (what, query) in queries() {
        for plan in catalog.plans(&query).await.unwrap() {
            assert!(plan.contains("Index Scan") || plan.contains("Index Only Scan"), "{what}:\n{plan}");
            assert!(!plan.contains("Seq Scan"), "{what}:\n{plan}");
        }
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..10 {
            let began = Instant::now();
            catalog.list(&query).await.unwrap();
            took.push(began.elapsed());
        }
        took.sort();
        if took[5] > Duration::from_millis(50) {
            println!("{}", catalog.plans(&query).await.unwrap().concat());
        }
        println!("{what}: median {:.1} ms, worst {:.1} ms", took[5].as_secs_f64() * 1e3, took[9].as_secs_f64() * 1e3);
    }
}
