//! Wrong configuration: all errors at once, each with the key, where its value came from, and what would be right.

use anyhow::{Context, Result, ensure};
use storage_element_e2e::{Setup, Started};

#[test]
fn every_error_is_named_with_its_key_and_source() -> Result<()> {
    let mut node = Setup::new()
        .setting("element.mode", "purple")
        .setting("server.lissen", "127.0.0.1:1")
        .setting("limits.stall_timeout_seconds", "soon")
        .prepare()?;
    node.set_env("SE_LIMITS__FILE_BYTES", "lots");
    let Started::Exited(status) = node.try_start()? else { anyhow::bail!("it serves with a wrong configuration") };
    ensure!(status.code().is_some_and(|code| code != 0), "the refusal ended with {status}");
    let said = node.log();
    let file = node.config().display().to_string();
    let named = ["element.mode", "purple", "server.lissen", "limits.stall_timeout_seconds", "limits.file_bytes"];
    for name in named.into_iter().chain(["SE_LIMITS__FILE_BYTES", &file]) {
        ensure!(said.contains(name), "the errors do not name {name}:\n{said}");
    }
    ensure!(!said.contains("panicked"), "a wrong configuration is no defect of the program:\n{said}");
    Ok(())
}

#[test]
fn a_missing_file_is_named() -> Result<()> {
    let node = Setup::new().prepare()?;
    let config = node.config().to_owned();
    std::fs::remove_file(&config)?;
    let output = node.command("serve").output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "it serves without its configuration");
    ensure!(said.contains(&config.display().to_string()), "the error does not name the file: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environment_wins_over_file_wins_over_default_and_the_source_is_shown() -> Result<()> {
    let mut node =
        Setup::new().setting("limits.concurrent_uploads", 33).setting("limits.stall_timeout_seconds", 44).prepare()?;
    node.set_env("SE_LIMITS__STALL_TIMEOUT_SECONDS", "55");
    node.start()?;
    node.client("operator")?.get("/api/v1/admin/config").await?.expect(403)?;
    let shown = node.client("admin")?.get("/api/v1/admin/config").await?.expect(200)?.json()?;
    let items = shown["items"].as_array().context("no items")?;
    for (key, value, source) in [
        ("limits.concurrent_uploads", Some("33"), "file"),
        ("limits.stall_timeout_seconds", Some("55"), "env"),
        ("limits.header_bytes", None, "default"),
    ] {
        let item = items.iter().find(|item| item["key"] == key).with_context(|| format!("{key} is not shown"))?;
        ensure!(item["source"] == source, "{key} has another source than {source}: {item}");
        let text = item["value"].to_string();
        ensure!(value.is_none_or(|value| text.trim_matches('"') == value), "{key} is shown as {item}");
    }
    Ok(())
}
