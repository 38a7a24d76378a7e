//! The schema: made once, judged, its name quoted.

use futures_util::future::join_all;
use sqlx::Row;
use storage_element_crds::Mode;
use storage_node::catalog::postgres::{PostgresCatalog, Server};
use storage_node::catalog::{Catalog, CatalogError};

use super::At;
use crate::made::element;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_migrate_once() {
    let at = At::shared();
    let nodes = join_all((0..6).map(|_| at.open())).await;
    for migrated in join_all(nodes.iter().map(Catalog::migrate)).await {
        migrated.unwrap();
    }
    let mut conn = at.connect().await;
    let row = sqlx::query("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut conn).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 2);
    join_all(nodes.iter().map(async |node| node.create_element(&element(Mode::Edit)).await.unwrap())).await;
    let configs = join_all(nodes.iter().map(Catalog::config)).await;
    let first = configs[0].as_ref().unwrap().clone().unwrap();
    assert!(configs.into_iter().all(|config| config.unwrap().as_ref() == Some(&first)), "one element for all");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_schemas_are_judged() {
    let at = At::shared();
    let catalog = at.open().await;
    assert!(matches!(catalog.check_schema().await, Err(CatalogError::SchemaOlder { found: 0, wanted: 2 })));
    catalog.migrate().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES ((SELECT max(version) + 1 FROM _sqlx_migrations), 'later', true, '', 0)";
    at.by_hand(newer).await;
    catalog.check_schema().await.unwrap();
    catalog.migrate().await.unwrap();
    at.by_hand(newer).await;
    for result in [catalog.check_schema().await, catalog.migrate().await] {
        assert!(matches!(result, Err(CatalogError::SchemaNewer { found: 4, known: 2 })), "{result:?}");
    }
    catalog.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_quoted() {
    let at = At::shared();
    let mut options = at.options();
    options.schema = format!("{}\"; DROP TABLE \\ 'x", at.schema.trim_start_matches("test_"));
    let catalog = PostgresCatalog::open(Server::reach(options).await.unwrap());
    catalog.migrate().await.unwrap();
    catalog.create_element(&element(Mode::Edit)).await.unwrap();
    assert!(catalog.config().await.unwrap().is_some());
}

#[tokio::test]
async fn what_cannot_be_used_is_said_without_the_password() {
    let at = At::shared();
    for url in ["no url, hidden", "postgres://u:hidden@127.0.0.1:1/db"] {
        let mut options = at.options();
        options.url = url.to_owned();
        let said = Server::reach(options).await.err().unwrap().to_string();
        assert!(!said.contains("hidden"), "{said}");
    }
}
