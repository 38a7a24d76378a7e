//! Modes and the election: standbys follow, and where nothing is written nobody is master.

use anyhow::{Result, ensure};
use serde_json::json;
use storage_element_e2e::replicas::{info, role};
use storage_element_e2e::{Ledger, Make, Replicas};

use crate::{all_is_well, on_both_storages, until, write};

async fn a_sealed_element_has_no_master(make: Make) -> Result<()> {
    let mut replicas = Replicas::prepare(make, 2, |setup| setup.setting("element.mode", "rw")).await?;
    for node in &mut replicas.nodes {
        node.spawn()?;
    }
    let mut ledger = Ledger::new();
    let master = replicas.master().await?;
    let other = 1 - master;
    replicas.ready(&replicas.nodes[other]).await?;
    write(&replicas, &mut ledger, master, "one").await?;
    let before = info(&replicas.nodes[master]).await.unwrap_or_default()["epoch"].as_u64();
    let admins = replicas.clients("admin")?;

    admins[master].send_json("PUT", "/api/v1/admin/mode", &json!({"mode": "ro"})).await?.expect(200)?;
    let took = until("the standby follows", async || {
        Ok(info(&replicas.nodes[other]).await.is_some_and(|info| info["mode"] == "ro"))
    })
    .await?;
    println!("{make:?}: the standby followed after {took:?}");
    until("every node is equal", async || {
        let roles = [role(&replicas.nodes[0]).await, role(&replicas.nodes[1]).await];
        Ok(roles.iter().all(|role| role.as_deref() == Some("standalone")))
    })
    .await?;
    until("the Lease is given up", async || {
        let holder = replicas.lease().await?.spec.and_then(|spec| spec.holder_identity);
        Ok(holder.is_none_or(|holder| holder.is_empty()))
    })
    .await?;
    for node in &replicas.nodes {
        replicas.ready(node).await?;
        ledger.compare(&node.client("user")?).await?;
    }
    // Either node may step back; then there is a master again, and only then are writes taken.
    let back = json!({"mode": "rw", "confirm": true});
    admins[other].send_json("PUT", "/api/v1/admin/mode", &back).await?.expect(200)?;
    until("both nodes follow", async || {
        let modes = [info(&replicas.nodes[0]).await, info(&replicas.nodes[1]).await];
        Ok(modes.iter().flatten().filter(|info| info["mode"] == "rw").count() == 2)
    })
    .await?;
    write(&replicas, &mut ledger, 0, "two").await?;
    let info = info(&replicas.nodes[replicas.master().await?]).await.unwrap_or_default();
    ensure!(info["mode"] == "rw" && info["epoch"].as_u64() > before, "{info}, and before the epoch was {before:?}");
    all_is_well(&mut replicas, &ledger).await
}

on_both_storages!(a_sealed_element_has_no_master);
