//! What is kept is kept until its date, what has had its time goes, and a quota is exact however many come at once.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use storage_element_e2e::{Answer, Client, Content, Make, Upload, check, job, on_every_make, planted};

const MIB: u64 = 1 << 20;

fn upload(name: &str) -> Upload {
    Upload::new(name, Content::bytes(name.to_owned()))
}

fn day_of(value: &Value) -> &str {
    value.as_str().and_then(|time| time.get(..10)).unwrap_or_default()
}

/// Deleting is refused, and the refusal says until when and whether a hold stands.
async fn is_kept(operator: &Client, id: &str, until: &Value, legal_hold: bool) -> Result<()> {
    let answer = operator.delete(id).await?;
    let details = answer.json()?["error"]["details"].take();
    ensure!((answer.status, answer.code().as_str()) == (409, "RETENTION_ACTIVE"), "{answer}");
    ensure!(details["retention_until"] == *until && details["legal_hold"] == legal_hold, "{answer} instead of {until}");
    Ok(())
}

async fn a_date_is_only_ever_extended_and_the_element_minimum_stands_below_it(make: Make) -> Result<()> {
    let node = make.setup().setting("retention.minimum_days", 30).start()?;
    let (user, operator) = (node.client("user")?, node.client("operator")?);

    let plain = user.upload(&upload("plain.txt")).await?.expect(201)?.json()?;
    let id = plain["file_id"].as_str().context("no id")?;
    ensure!(plain["retention_until"].as_str() > plain["created_at"].as_str(), "the minimum is not shown: {plain}");
    is_kept(&operator, id, &plain["retention_until"], false).await?;
    // A wish below the minimum is raised to it.
    let raised = user.patch(id, &json!({"retention_days": 1})).await?.expect(200)?.json()?;
    ensure!(raised["retention_until"] == plain["retention_until"], "{raised}");

    let dated = user.upload(&upload("dated.txt").field("retention_days", "100")).await?.expect(201)?.json()?;
    let id = dated["file_id"].as_str().context("no id")?;
    ensure!(day_of(&dated["retention_until"]) > day_of(&plain["retention_until"]), "{dated}");
    for shorter in [json!({"retention_days": 40}), json!({"retention_until": null})] {
        let answer = user.patch(id, &shorter).await?;
        ensure!(
            (answer.status, answer.code().as_str()) == (409, "RETENTION_ACTIVE"),
            "{shorter} was answered {answer}"
        );
        let until = &answer.json()?["error"]["details"]["retention_until"];
        ensure!(*until == dated["retention_until"], "the refusal does not say until when: {answer}");
    }
    let later = json!({"retention_until": "2099-01-01T00:00:00Z"});
    let extended = user.patch(id, &later).await?.expect(200)?.json()?;
    ensure!(day_of(&extended["retention_until"]) == "2099-01-01", "{extended}");
    is_kept(&operator, id, &extended["retention_until"], false).await
}

async fn a_hold_stands_above_all_until_it_is_lifted(make: Make) -> Result<()> {
    let node = make.setup().start()?;
    let (user, operator) = (node.client("user")?, node.client("operator")?);
    let id = user.upload(&upload("held.txt")).await?.expect(201)?.file_id()?;
    let hold = format!("/api/v1/files/{id}/legal-hold");
    ensure!(user.send_json("PUT", &hold, &json!({})).await?.status == 403, "a user set a hold");

    let held = operator.send_json("PUT", &hold, &json!({"reason": "case 17"})).await?.expect(200)?.json()?;
    ensure!(held["legal_hold"] == true && held["revision"] == 2, "{held}");
    is_kept(&operator, &id, &Value::Null, true).await?;
    ensure!(node.log().contains("case 17"), "the reason is in no audit line");

    let lifted = operator.send("DELETE", &hold, &[], None).await?.expect(200)?.json()?;
    ensure!(lifted["legal_hold"] == false && lifted["revision"] == 3, "{lifted}");
    operator.delete(&id).await?.expect(204)?;
    user.metadata(&id).await?.expect(404)?;
    Ok(())
}

async fn gc_deletes_what_has_had_its_time_and_then_its_bytes(make: Make) -> Result<()> {
    let mut node =
        make.setup().setting("retention.time_to_live_days", 30).setting("retention.deleted_grace_hours", 0).start()?;
    let (user, operator, admin) = (node.client("user")?, node.client("operator")?, node.client("admin")?);
    let young = user.upload(&upload("young.txt")).await?.expect(201)?.json()?;
    let deleted = user.upload(&upload("deleted.txt")).await?.expect(201)?.json()?;
    let storage = node.storage().clone();
    let template = storage.attr_of(&young).await?;
    let plant = |number, change: fn(&mut Value)| planted::plant(&storage, &template, number, change);
    let old = plant(1, |_| ()).await?;
    let dated = plant(2, |attr| attr["retention_until"] = json!("2099-01-01T00:00:00.000000Z")).await?;
    let held = plant(3, |attr| attr["legal_hold"] = json!(true)).await?;
    let report = job::run(&admin, "/api/v1/admin/cache/rebuild", None).await?;
    ensure!(report["files"] == 5, "{report}");
    user.metadata(&old.file_id).await?.expect(200)?;

    let id = deleted["file_id"].as_str().context("no id")?;
    operator.delete(id).await?.expect(204)?;
    let report = job::run(&admin, "/api/v1/admin/gc", None).await?;
    ensure!(report["expired"] == 1, "not the one file whose time was over: {report}");
    // Without a grace period a second run at the latest removes the bytes of what the first deleted.
    let second = job::run(&admin, "/api/v1/admin/gc", None).await?;
    let purged = report["purged"].as_u64().unwrap_or(0) + second["purged"].as_u64().unwrap_or(0);
    ensure!(purged == 2, "not the two deleted files: {report}, {second}");

    let deleted_path = deleted["storage_path"].as_str().context("no path")?;
    for gone in [old.path.as_str(), deleted_path] {
        let left = storage.halves(gone).await?;
        ensure!(left == (false, false), "of the deleted {gone} data or description are still there: {left:?}");
    }
    user.metadata(&old.file_id).await?.expect(404)?;
    for kept in [&dated, &held] {
        ensure!(storage.halves(&kept.path).await? == (true, true), "{} was removed", kept.path);
        let (status, sha256, _) = user.download_digest(&kept.file_id).await?;
        ensure!((status, &sha256) == (200, &kept.sha256), "{} was answered {status}", kept.path);
    }
    user.metadata(young["file_id"].as_str().context("no id")?).await?.expect(200)?;
    node.stop()?;
    check::verify_finds_nothing(&node)?;
    Ok(())
}

async fn a_quota_is_exact_under_64_uploads_at_once(make: Make) -> Result<()> {
    // Half a file of room more than 40 files need, for what frames them.
    const ROOM: usize = 40;
    let quota = ROOM as u64 * MIB + MIB / 2;
    let mut setup = make.setup().setting("capacity.quota_bytes", quota);
    for (level, percent) in [("warning", 0.02), ("critical", 0.01), ("full", 0.0)] {
        let key = |what: &str| format!("capacity.{level}_{what}");
        setup = setup.setting(&key("percent"), percent).setting(&key("bytes"), 0);
    }
    let node = setup.start()?;
    let user = node.client("user")?;
    let all = (0..64).map(|number| {
        let upload = Upload::new(format!("{number}.bin"), Content::Generated { seed: number, size: MIB });
        let user = user.clone();
        async move { user.upload(&upload).await }
    });
    let answers: Vec<Answer> = futures_util::future::join_all(all).await.into_iter().collect::<Result<_>>()?;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        ensure!((answer.status, answer.code().as_str()) == (507, "STORAGE_FULL"), "{answer}");
    }
    let capacity = user.get("/api/v1/capacity").await?.expect(200)?.json()?;
    ensure!(taken == ROOM, "{taken} of 64 files were taken where {ROOM} fit: {capacity}");
    ensure!(capacity["total"] == quota && capacity["used"] == ROOM as u64 * MIB, "{capacity}");

    // Changes go on without room.
    let id = user.all("/api/v1/files", &[]).await?[0]["file_id"].as_str().context("no id")?.to_owned();
    let update = user.patch(&id, &json!({"description": "changed"})).await?;
    update.expect(200)?;
    Ok(())
}

on_every_make!(
    a_date_is_only_ever_extended_and_the_element_minimum_stands_below_it,
    a_hold_stands_above_all_until_it_is_lifted,
    gc_deletes_what_has_had_its_time_and_then_its_bytes,
    a_quota_is_exact_under_64_uploads_at_once
);
