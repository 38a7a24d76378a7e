//! What one row cannot take never blocks another's write.

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use storage_element_e2e::{Client, Content, Ledger, Make, Upload, check, on_every_make};
use tokio::sync::Mutex;

const GOOD_CLIENTS: usize = 8;
const GOOD_EACH: usize = 25;

async fn worst_cases_fail_alone(make: Make) -> Result<()> {
    let mut node = make.setup().start()?;
    let (client, ledger) = (node.client("user")?, Mutex::new(Ledger::new()));
    let good = join_all((0..GOOD_CLIENTS).map(|number| send_good(&client, &ledger, number)));
    let bad = send_worst(&client, &ledger);
    let (good, bad) = tokio::join!(good, bad);
    good.into_iter().collect::<Result<Vec<_>>>()?;
    bad?;
    check::everything(&mut node, &ledger.into_inner()).await
}

async fn the_same_upload_at_the_same_time_makes_one_file(make: Make) -> Result<()> {
    let node = make.setup().start()?;
    let client = node.client("user")?;
    let upload = Upload::new("twice.txt", Content::bytes("twice")).idempotency_key("the-same-key");
    let answers = join_all((0..8).map(|_| client.upload(&upload))).await;
    let mut ids = Vec::new();
    for answer in answers {
        let answer = answer?;
        // While the first is on its way its outcome is not known; everything else is the first file.
        ensure!(answer.status == 201 || answer.code() == "OUTCOME_UNKNOWN", "answered {answer}");
        ids.extend((answer.status == 201).then(|| answer.file_id()).transpose()?);
    }
    let again = client.upload(&upload).await?.expect(201)?;
    ensure!(again.header("idempotent-replay") == Some("true"), "a repeated upload is not told apart: {again}");
    ids.push(again.file_id()?);
    ids.dedup();
    ensure!(ids.len() == 1, "one key made several files: {ids:?}");
    ensure!(client.all("/api/v1/files", &[]).await?.len() == 1, "the list shows more than one file");
    Ok(())
}

async fn send_good(client: &Client, ledger: &Mutex<Ledger>, number: usize) -> Result<()> {
    for file in 0..GOOD_EACH {
        let (label, content) = (format!("good-{number}-{file}"), Content::bytes(format!("{number} {file}")));
        let upload = Upload::new("good.txt", content.clone()).field("version", &label);
        let answer = client.upload(&upload).await?.expect(201)?;
        ledger.lock().await.note_upload(&label, content.sha256()?, Some(&answer))?;
    }
    Ok(())
}

/// An upload that is as odd as a client can make it.
struct Worst {
    what: &'static str,
    name: String,
    field: Option<(&'static str, String)>,
    status: u16,
}

impl Worst {
    fn name(what: &'static str, name: impl Into<String>, status: u16) -> Self {
        Self { what, name: name.into(), field: None, status }
    }

    fn field(what: &'static str, field: &'static str, value: impl Into<String>, status: u16) -> Self {
        Self { what, name: "worst.txt".into(), field: Some((field, value.into())), status }
    }
}

/// Odd but right: 201. What no row can take: refused before anything is written.
fn worst_cases() -> Vec<Worst> {
    let large = format!("{{\"k\":\"{}\"}}", "x".repeat(4096));
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(20), "]".repeat(20));
    vec![
        Worst::name("a name of 255 characters", "я".repeat(255), 201),
        Worst::name("a name of 256 characters", "я".repeat(256), 400),
        Worst::name("a name that is one emoji", "🗂", 201),
        Worst::name("a right-to-left override", "invoice\u{202e}fdp.exe", 201),
        Worst::name("decomposed letters", "e\u{301}".repeat(60), 201),
        Worst::name("only dots", "...", 201),
        Worst::name("a path", "../../etc/passwd", 201),
        Worst::name("the last code point", "\u{10ffff}\u{fffd}.bin", 201),
        Worst::name("SQL", "'); DROP TABLE files; --", 201),
        Worst::field("NUL in the description", "description", "a\0b", 400),
        Worst::field("NUL in a tag", "tags", "[\"a\\u0000b\"]", 400),
        Worst::field("NUL in the metadata", "metadata", "{\"k\":\"a\\u0000b\"}", 400),
        Worst::field("NUL in a metadata key", "metadata", "{\"a\\u0000b\":1}", 400),
        Worst::field("an attr too large", "metadata", large, 400),
        Worst::field("search syntax", "description", "\" OR NEAR( * ^ AND", 201),
        Worst::field("deep metadata", "metadata", deep, 201),
    ]
}

async fn send_worst(client: &Client, ledger: &Mutex<Ledger>) -> Result<()> {
    for (number, worst) in worst_cases().into_iter().enumerate() {
        let (label, content) = (format!("worst-{number}"), Content::bytes(worst.what.to_owned()));
        let mut upload = Upload::new(worst.name, content.clone()).field("version", &label);
        if let Some((field, value)) = worst.field {
            upload = upload.field(field, value);
        }
        let answer = client.upload(&upload).await.with_context(|| worst.what.to_owned())?;
        ensure!(answer.status == worst.status, "{}: expected {}, got {answer}", worst.what, worst.status);
        ledger.lock().await.note_upload(&label, content.sha256()?, Some(&answer))?;
    }
    Ok(())
}

on_every_make!(worst_cases_fail_alone, the_same_upload_at_the_same_time_makes_one_file);
