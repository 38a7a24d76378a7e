//! The log: JSON lines with the promised fields, requests found by their id, and never a secret.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use storage_element_e2e::{Client, Content, Make, Storage, Tokens, Upload, on_every_make};

const FIELDS: [&str; 10] =
    ["timestamp", "level", "logger", "module", "function", "line", "trace_id", "span_id", "request_id", "user_id"];

async fn lines_are_json_and_requests_are_found_by_their_id(make: Make) -> Result<()> {
    let mut node = make.setup().start()?;
    let client = node.client("user")?;
    let upload = Upload::new("logged.txt", Content::bytes("logged")).header("x-request-id", "upload-4711");
    let answer = client.upload(&upload).await?.expect(201)?;
    ensure!(answer.header("x-request-id") == Some("upload-4711"), "the request id did not come back");
    let refused = client.send("DELETE", "/api/v1/files/none", &[("x-request-id", "refused-4712")], None).await?;
    ensure!((400..500).contains(&refused.status), "answered {refused}");
    ensure!(refused.json()?["error"]["request_id"] == "refused-4712", "the envelope lacks the request id: {refused}");
    node.stop()?;

    let log = node.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a JSON line: {line}")))
        .collect::<Result<_>>()?;
    ensure!(!lines.is_empty(), "nothing was logged");
    for line in &lines {
        let fields = line.as_object().with_context(|| format!("not an object: {line}"))?;
        // What does not apply to a line may be absent or null; these are known for every one of them.
        for field in &FIELDS[..4] {
            ensure!(fields.get(*field).is_some_and(Value::is_string), "{field} is missing: {line}");
        }
    }
    for (request, user) in [("upload-4711", "user-1"), ("refused-4712", "user-1")] {
        let found: Vec<_> = lines.iter().filter(|line| line["request_id"] == request).collect();
        ensure!(!found.is_empty(), "no line has the request id {request}:\n{log}");
        ensure!(found.iter().any(|line| line["user_id"] == user), "no line of {request} names {user}: {found:?}");
        for field in FIELDS {
            let known = found.iter().any(|line| !line[field].is_null());
            ensure!(known, "no line of {request} has {field}: {found:?}");
        }
    }
    Ok(())
}

async fn no_token_and_no_key_is_ever_logged(make: Make) -> Result<()> {
    let mut node = make.setup().setting("logging.level", "trace").prepare()?;
    node.start()?;
    let stranger = Tokens::generate("stranger")?.role("admin");
    let good = Tokens::shared().role("user");
    for token in [&good, &stranger, &"not.a.token-but-secret".to_owned()] {
        let client = Client::new(&node.url(), Some(token.clone()))?;
        client.get("/api/v1/files").await?;
        client.upload(&Upload::new("x.txt", Content::bytes("x"))).await?;
        client.get(&format!("/api/v1/files?token={token}")).await?;
    }
    node.stop()?;
    let log = node.log();
    ensure!(log.len() > 500, "too little was logged to prove anything:\n{log}");
    for token in [&good, &stranger] {
        // Neither the whole nor the part that makes it valid.
        let signature = token.rsplit('.').next().context("no signature")?;
        ensure!(!log.contains(signature), "a token's signature is in the log");
    }
    ensure!(!log.contains("token-but-secret"), "what was sent as a token is in the log");
    if let Storage::Bucket(bucket) = node.storage() {
        ensure!(!log.contains(bucket.credentials().1), "the secret key of the store is in the log");
    }
    Ok(())
}

on_every_make!(lines_are_json_and_requests_are_found_by_their_id, no_token_and_no_key_is_ever_logged);
