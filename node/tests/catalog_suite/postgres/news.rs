//! What a standby hears, and what a node that is not master any more lets go.

use std::time::Duration;

use sqlx::Connection;
use storage_element_crds::Mode;
use storage_node::catalog::{Catalog, RowGuard, Transition};
use tokio::time::timeout;

use super::At;
use crate::made::Ready;

const PATIENCE: Duration = Duration::from_secs(30);

/// A standby that listens is told when the master has changed the row, without asking.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_hears_of_a_change_of_the_row() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let standby = at.open().await;
    let seen = standby.config().await.unwrap().unwrap();
    assert_eq!(seen.transition, None);
    // It has begun to listen; what came before may have been missed, so it is told once.
    timeout(PATIENCE, standby.changed()).await.unwrap();
    let heard = standby.changed();
    tokio::pin!(heard);
    assert!(timeout(Duration::from_millis(200), &mut heard).await.is_err(), "nothing has changed");
    let transition = Transition { id: "a".to_owned(), attempt: 1, target: Mode::Ro };
    ready.catalog.prepare(RowGuard::Term(ready.term), &transition, 120).await.unwrap();
    timeout(PATIENCE, heard).await.unwrap();
    assert_eq!(standby.config().await.unwrap().unwrap().transition, Some(transition));
    standby.close().await;
}

/// A node that has stepped down keeps no session open in the name of its term.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_a_term_end_with_it() {
    let at = At::shared();
    let ready = Ready::new(&at).await;
    let row = ready.catalog.config().await.unwrap().unwrap();
    let transition = Transition { id: "a".to_owned(), attempt: 1, target: Mode::Ro };
    ready.catalog.prepare(RowGuard::Term(ready.term), &transition, 120).await.unwrap();
    let name = format!("se:{}:{}:{}", row.element_id.simple(), ready.term.epoch, ready.term.nonce);
    let mut conn = at.connect().await;
    let mut open = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1")
            .bind(&name)
            .fetch_one(&mut conn)
            .await
            .unwrap()
    };
    assert!(open().await > 0, "the master writes under the name of its term");
    ready.catalog.end_term();
    for _ in 0..3_000 {
        if open().await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(open().await, 0);
    // What still comes is written, if it may be, in the name of no term.
    ready.catalog.abort(RowGuard::Term(ready.term), "a").await.unwrap();
    assert_eq!(open().await, 0);
    conn.close().await.unwrap();
}
