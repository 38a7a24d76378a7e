//! What only the SQLite make can be shown to do.

use std::any::Any;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::{ConnectOptions, SqliteConnection};
use storage_element_crds::Mode;
use storage_node::catalog::sqlite::{SqliteCatalog, SqliteOptions};
use storage_node::catalog::{Catalog, CatalogError, IntentVerdict};
use storage_node::model::{FileQuery, Nonce, OperationType, PageRequest, Sort, Term, parse_text_query};
use uuid::Uuid;

use crate::made::{Make, Ready, all, element, intent, new_term};

pub struct Sqlite;

#[async_trait]
impl Make for Sqlite {
    async fn empty(&self) -> (Arc<dyn Catalog>, Box<dyn Any + Send>) {
        let folder = tempfile::tempdir().unwrap();
        let catalog = open(&folder.path().join("made/catalog.sqlite")).await;
        (Arc::new(catalog), Box::new(folder))
    }
}

/// A catalog in a place the test knows.
struct At(PathBuf);

#[async_trait]
impl Make for At {
    async fn empty(&self) -> (Arc<dyn Catalog>, Box<dyn Any + Send>) {
        (Arc::new(open(&self.0).await), Box::new(()))
    }
}

async fn open(path: &Path) -> SqliteCatalog {
    SqliteCatalog::open(path, SqliteOptions::default()).await.unwrap()
}

async fn by_hand(path: &Path, sql: &'static str) {
    let mut conn: SqliteConnection = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
    sqlx::Connection::close(conn).await.unwrap();
}

#[tokio::test]
async fn other_schemas_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.sqlite");
    let catalog = open(&path).await;
    assert!(matches!(catalog.check_schema().await, Err(CatalogError::SchemaOlder { found: 0, wanted: 2 })));
    catalog.migrate().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES ((SELECT max(version) + 1 FROM _sqlx_migrations), 'later', 1, x'00', 0)";
    by_hand(&path, newer).await;
    catalog.check_schema().await.unwrap();
    catalog.migrate().await.unwrap();
    by_hand(&path, newer).await;
    for result in [catalog.check_schema().await, catalog.migrate().await] {
        assert!(matches!(result, Err(CatalogError::SchemaNewer { found: 4, known: 2 })), "{result:?}");
    }
    catalog.close().await;
}

#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/here/catalog.sqlite");
    let catalog = open(&path).await;
    catalog.migrate().await.unwrap();
    for name in ["catalog.sqlite", "catalog.sqlite-wal"] {
        let mode = std::fs::metadata(path.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    catalog.close().await;
    assert!(!path.with_file_name("catalog.sqlite-wal").exists(), "closed, the log is carried over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transition_closes_the_door_until_it_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.sqlite");
    let ready = Ready::new(&At(path.clone())).await;
    let ask = async || {
        let row = intent(&ready.file("a.txt"), OperationType::FileCreate);
        ready.catalog.intent(ready.term, row).await.unwrap()
    };
    by_hand(
        &path,
        "UPDATE config SET transition = '{\"id\":\"t\",\"attempt\":1,\"target\":\"ro\"}', \
         prepared_until = (unixepoch() + 60) * 1000000",
    )
    .await;
    assert_eq!(ask().await, IntentVerdict::TransitionPrepared);
    let config = ready.catalog.config().await.unwrap().unwrap();
    assert_eq!(config.transition.map(|transition| (transition.attempt, transition.target)), Some((1, Mode::Ro)));
    by_hand(&path, "UPDATE config SET prepared_until = 0").await;
    assert_eq!(ask().await, IntentVerdict::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_taken_away_is_noticed_and_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.sqlite");
    let ready = Ready::new(&At(path.clone())).await;
    let file = ready.file("a.txt");
    ready.put(&file).await;
    let elsewhere = folder.path().join("elsewhere");
    let ask = async || ready.catalog.intent(ready.term, intent(&ready.file("b.txt"), OperationType::FileCreate)).await;
    for name in ["", "-wal", "-shm"] {
        let at = |base: &Path| PathBuf::from(format!("{}{name}", base.display()));
        std::fs::rename(at(&path), at(&elsewhere)).unwrap();
    }
    assert!(matches!(ask().await, Err(CatalogError::Unavailable { .. })));
    assert!(matches!(ready.catalog.file(file.attr.file_id).await, Err(CatalogError::Unavailable { .. })));
    for name in ["-shm", "-wal", ""] {
        let at = |base: &Path| PathBuf::from(format!("{}{name}", base.display()));
        std::fs::rename(at(&elsewhere), at(&path)).unwrap();
    }
    assert_eq!(ask().await.unwrap(), IntentVerdict::Accepted);
    assert_eq!(ready.catalog.file(file.attr.file_id).await.unwrap(), Some(file));

    // Another catalog in its place: nothing of the old term is written there.
    let other = folder.path().join("other.sqlite");
    let second = Ready::new(&At(other.clone())).await;
    second.catalog.close().await;
    std::fs::rename(&other, &path).unwrap();
    for name in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{name}", path.display()));
    }
    assert_eq!(ask().await.unwrap(), IntentVerdict::TermOver);
    assert_eq!(ready.catalog.totals().await.unwrap().active_files, 0);
    // An empty file: not available, and not made into a catalog by a write.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(ask().await, Err(CatalogError::Unavailable { .. })));
    assert!(matches!(ready.catalog.check_schema().await, Err(CatalogError::SchemaOlder { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopened_catalog_has_all_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.sqlite");
    let ready = Ready::new(&At(path.clone())).await;
    let rows: Vec<_> = (0..50).map(|n| ready.file(&format!("{n}.txt"))).collect();
    futures_util::future::join_all(rows.iter().map(|row| ready.put(row))).await;
    ready.catalog.close().await;
    let closed = ready.catalog.intent(ready.term, intent(&rows[0], OperationType::FileCreate)).await;
    assert!(matches!(closed, Err(CatalogError::Unavailable { .. })));
    let again = open(&path).await;
    assert_eq!(again.totals().await.unwrap().active_files, 50);
    assert_eq!(again.list(&all()).await.unwrap().rows.len(), 50);
    again.close().await;
}

/// How long pages take at `SE_BENCH_FILES` (200,000) files. Run with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "only measures, and takes minutes: make measure"]
async fn pages_of_many_files_are_quick() {
    let files: u32 = std::env::var("SE_BENCH_FILES").ok().and_then(|files| files.parse().ok()).unwrap_or(200_000);
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(&folder.path().join("catalog.sqlite")).await;
    catalog.migrate().await.unwrap();
    catalog.create_element(&element(Mode::Edit)).await.unwrap();
    let term = Term { epoch: 1, nonce: Nonce::fresh() };
    assert!(catalog.begin_term(&new_term(term, 0, Mode::Edit)).await.unwrap());
    let ids = storage_node::model::FileIds::default();
    let mark = Uuid::now_v7();
    let began = Instant::now();
    for batch in 0..files / 1000 {
        let rows = (0..1000)
            .map(|n| {
                let n = batch * 1000 + n;
                let mut row = crate::made::file(ids.next(), &format!("Договор_{n}.pdf"));
                row.attr.description = Some(format!("contract with client {} about the lease of office {n}", n % 977));
                row.attr.tags = vec!["signed".to_owned(), format!("year{}", n % 20)];
                row.attr.file_size = u64::from(n);
                row
            })
            .collect();
        assert!(catalog.rebuild_batch(term, mark, rows).await.unwrap());
    }
    println!("{:.0} files/s taken in", f64::from(files) / began.elapsed().as_secs_f64());
    let list = |sort| FileQuery { limit: 100, sort, ..all() };
    let text = |text: &str, sort| FileQuery { text: parse_text_query(text), ..list(sort) };
    let tagged = |tag: &str| {
        let mut query = list(Sort::CreatedAt);
        query.filter.tags = vec![tag.to_owned()];
        query
    };
    let part = |part: &str, mut query: FileQuery| {
        query.filter.filename = Some(part.to_owned());
        query
    };
    for (what, query) in [
        ("newest", list(Sort::CreatedAt)),
        ("by name", list(Sort::OriginalFilename)),
        ("common word by relevance", text("договор", Sort::Relevance)),
        (
            "common word by relevance, with total",
            FileQuery { page: PageRequest::Offset(0), ..text("договор", Sort::Relevance) },
        ),
        ("two common words by relevance", text("contract lease", Sort::Relevance)),
        ("common word, newest", text("contracts", Sort::CreatedAt)),
        ("rare words by relevance", text("client 77", Sort::Relevance)),
        ("phrase by relevance", text("\"contract with client\"", Sort::Relevance)),
        ("beginning by relevance", text("contr*", Sort::Relevance)),
        ("short beginning by relevance", text("co*", Sort::Relevance)),
        ("common tag, newest", tagged("signed")),
        ("rarer tag, newest", tagged("year7")),
        ("rare part of a name, newest", part(&format!("_{}", files / 3), list(Sort::CreatedAt))),
        ("rare part of a name, by size", part(&format!("_{}", files / 3), list(Sort::FileSize))),
        ("rare part of a name with a common word", part(&format!("{}", files / 3), text("договор", Sort::Relevance))),
        ("two letters of a name", part("_7", list(Sort::CreatedAt))),
        ("two letters no name has", part("ъъ", list(Sort::CreatedAt))),
    ] {
        let mut took: Vec<Duration> = Vec::new();
        for _ in 0..50 {
            let began = Instant::now();
            let page = catalog.list(&query).await.unwrap();
            took.push(began.elapsed());
            assert_eq!(page.rows.is_empty(), what.contains(" no name "), "{what}");
        }
        took.sort();
        println!("{what}: median {:.1} ms, worst {:.1} ms", took[25].as_secs_f64() * 1e3, took[49].as_secs_f64() * 1e3);
    }
    catalog.close().await;
}

/// How many files per second pass through intent and commit. Run with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "only measures: make measure"]
async fn writes_share_their_syncs() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for clients in [1_u32, 16, 64] {
        let ready = Ready::new(&At(folder.path().join(format!("{clients}.sqlite")))).await;
        let rows: Vec<Vec<_>> = (0..clients)
            .map(|_| (0..1600 / clients).map(|n| ready.file(&format!("Договор {n}.pdf"))).collect())
            .collect();
        let before = ready.catalog.counters().transactions;
        let began = Instant::now();
        futures_util::future::join_all(rows.iter().map(async |rows| {
            for row in rows {
                ready.put(row).await;
            }
        }))
        .await;
        let files = f64::from(1600 / clients * clients);
        let transactions = ready.catalog.counters().transactions - before;
        println!(
            "{clients} clients: {:.0} files/s, {transactions} transactions",
            files / began.elapsed().as_secs_f64()
        );
        ready.catalog.close().await;
    }
}
