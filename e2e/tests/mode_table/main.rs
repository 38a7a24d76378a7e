//! Every route in every mode for every role: the answer that the specification's table gives.

mod table;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use storage_element_e2e::{Answer, Client, Content, InMode, Make, Tokens, Upload, on_every_make};
use table::{For, Row, table};

/// Who calls, and what that is worth. `guest` is a role that no element knows.
const CALLERS: [(&str, Option<For>); 5] = [
    ("", None),
    ("guest", Some(For::Everyone)),
    ("user", Some(For::User)),
    ("operator", Some(For::Operator)),
    ("admin", Some(For::Admin)),
];

async fn every_route_in_every_mode_for_every_role(make: Make) -> Result<()> {
    let mut wrong = Vec::new();
    for (index, mode) in InMode::ALL.into_iter().enumerate() {
        let place = InMode::start(make, mode).await?;
        has_every_route(&place).await?;
        for row in table() {
            for (role, worth) in CALLERS {
                let expected = match worth {
                    _ if row.whom == For::Everyone => row.answers[index],
                    None => (401, "UNAUTHORIZED"),
                    Some(worth) if worth < row.whom => (403, "FORBIDDEN"),
                    Some(_) => row.answers[index],
                };
                let answer = ask(&place, &row, role).await?;
                // An answer to HEAD has no body, and so no code.
                let code = if row.method == "HEAD" { expected.1.to_owned() } else { answer.code() };
                if (answer.status, code.as_str()) != expected {
                    let (method, route) = (row.method, row.route);
                    wrong.push(format!("{mode}, {role:?}: {method} {route}: expected {expected:?}, got {answer}"));
                }
            }
        }
        let left = place.node.client("user")?.metadata(&place.file_id).await?.expect(200)?.json()?;
        ensure!(left["revision"] == 1, "{mode}: a request changed a file it was not about: {left}");
    }
    ensure!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// The table knows every operation of the document.
async fn has_every_route(place: &InMode) -> Result<()> {
    let document = place.node.client("user")?.get("/openapi.json").await?.expect(200)?.json()?;
    let paths = document["paths"].as_object().context("a document without paths")?;
    let documented: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flat_map(serde_json::Map::keys);
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let known: BTreeSet<_> = table().iter().map(|row| (row.method.to_owned(), row.route.to_owned())).collect();
    ensure!(documented == known, "table and document differ: {:?}", documented.symmetric_difference(&known));
    Ok(())
}

async fn ask(place: &InMode, row: &Row, role: &str) -> Result<Answer> {
    let client = place.node.client("user")?;
    let client = client.with_token((!role.is_empty()).then(|| Tokens::shared().role(role)));
    let file_id = if row.route.contains("/files/{id}") { fresh(place).await? } else { String::new() };
    if row.method == "POST" && row.whom == For::Admin {
        no_job_runs(&place.node.client("admin")?).await?;
    }
    let route = row.route.replace("/files/{id}", &format!("/files/{file_id}"));
    let path = match route.split_once('{') {
        Some((before, after)) => {
            let after = after.split_once('}').context("a parameter without end")?.1;
            format!("{before}{}{after}", row.path)
        }
        None => format!("{route}{}", row.path),
    };
    let (content_type, body) = row.sent.body().unzip();
    let headers: Vec<_> = content_type.into_iter().map(|content_type| ("content-type", content_type)).collect();
    client.send(row.method, &path, &headers, body).await
}

/// A file of its own for a request that may change it; where nothing can be sent, the one that is there.
async fn fresh(place: &InMode) -> Result<String> {
    if matches!(place.mode, "ro" | "ar") {
        return Ok(place.file_id.clone());
    }
    let upload = Upload::new("fresh.txt", Content::bytes("fresh"));
    place.node.client("user")?.upload(&upload).await?.expect(201)?.file_id()
}

/// Waits for the end of jobs that rows before have begun.
async fn no_job_runs(admin: &Client) -> Result<()> {
    for _ in 0..200 {
        let jobs = admin.get("/api/v1/admin/jobs").await?.expect(200)?.json()?;
        let jobs = jobs["items"].as_array().context("no items")?;
        if !jobs.iter().any(|job| job["state"] == "running") {
            let bad: Vec<&Value> = jobs.iter().filter(|job| job["state"] != "succeeded").collect();
            ensure!(bad.is_empty(), "jobs have failed: {bad:?}");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("a job over a handful of files has not ended in 10 s")
}

on_every_make!(every_route_in_every_mode_for_every_role);
