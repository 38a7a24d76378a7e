//! Measured, not judged.

use std::time::Instant;

use super::At;
use super::running::Postgres as Running;
use crate::made::Ready;

/// How many files per second pass through intent and commit. Run with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "only measures: make measure"]
async fn writes_share_their_syncs() {
    let running = Running::start();
    for clients in [1_u32, 16, 64] {
        let ready = Ready::new(&At::on(&running)).await;
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
        let statements = ready.catalog.counters().transactions - before;
        println!("{clients} clients: {:.0} files/s, {statements} statements", files / began.elapsed().as_secs_f64());
        ready.catalog.close().await;
    }
}
