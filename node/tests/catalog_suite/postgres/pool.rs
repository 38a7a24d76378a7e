//! The connections that read: so many kept, so many more under load, each looked at before it is given out.

use std::time::{Duration, Instant};

use sqlx::Row;
use storage_node::catalog::postgres::{PostgresCatalog, Server};
use storage_node::catalog::{Catalog, CatalogError};
use tokio::task::JoinSet;

use super::At;
use crate::made::Ready;

/// Numbers of the backends that read for this element's schema.
async fn backends(at: &At, element: &str) -> Vec<i32> {
    let mut conn = at.connect().await;
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid";
    let rows = sqlx::query(sql).bind(format!("se-read:{element}")).fetch_all(&mut conn).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// A catalog of the element that `ready` made, with a pool of two and one more.
async fn small(at: &At, element: uuid::Uuid, recycle: Duration) -> std::sync::Arc<PostgresCatalog> {
    let mut options = at.options();
    (options.pool_size, options.pool_overflow) = (2, 1);
    (options.acquire_timeout, options.recycle) = (Duration::from_secs(3), recycle);
    let server = Server::reach(options).await.unwrap();
    server.name_element(element);
    std::sync::Arc::new(PostgresCatalog::open(server))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_allowed_read_at_once_and_who_waits_too_long_is_told() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let element = ready.catalog.config().await.unwrap().unwrap().element_id;
    ready.catalog.close().await;
    let catalog = small(&at, element, Duration::from_hours(1)).await;
    let mut held = at.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE totals IN ACCESS EXCLUSIVE MODE").execute(&mut held).await.unwrap();
    let mut reads = JoinSet::new();
    let began = Instant::now();
    for _ in 0..5 {
        let catalog = catalog.clone();
        reads.spawn(async move { (catalog.totals().await, began.elapsed()) });
    }
    let mut refused = 0;
    while refused < 2 {
        let (answer, took) = reads.join_next().await.unwrap().unwrap();
        assert!(matches!(answer, Err(CatalogError::Unavailable { .. })), "{answer:?}");
        assert!(took >= Duration::from_secs(3), "{took:?}");
        refused += 1;
    }
    assert_eq!(backends(&at, &element.simple().to_string()).await.len(), 3);
    sqlx::raw_sql("ROLLBACK").execute(&mut held).await.unwrap();
    while let Some(read) = reads.join_next().await {
        read.unwrap().0.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_and_old_connections_are_replaced_unseen() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let element = ready.catalog.config().await.unwrap().unwrap().element_id;
    ready.catalog.close().await;
    let name = element.simple().to_string();
    let catalog = small(&at, element, Duration::from_secs(2)).await;
    for _ in 0..3 {
        catalog.totals().await.unwrap();
        let before = backends(&at, &name).await;
        at.by_hand(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'se-read:{name}'"
        ))
        .await;
        replaced(&at, &name, &before, || Box::pin(std::future::ready(()))).await;
    }
    catalog.totals().await.unwrap();
    let before = backends(&at, &name).await;
    assert!(!before.is_empty());
    replaced(&at, &name, &before, || {
        let catalog = catalog.clone();
        Box::pin(async move { assert!(catalog.totals().await.is_ok()) })
    })
    .await;
}

/// Waits until none of these backends is there any more, doing something meanwhile.
async fn replaced(
    at: &At,
    name: &str,
    before: &[i32],
    meanwhile: impl Fn() -> futures_util::future::BoxFuture<'static, ()>,
) {
    for _ in 0..600 {
        let left = backends(at, name).await;
        if before.iter().all(|backend| !left.contains(backend)) {
            return;
        }
        meanwhile().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("these connections stay: {before:?}");
}
