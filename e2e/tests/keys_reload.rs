//! Keys are read again when their file changes, and without a usable key nobody is let in.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use storage_element_e2e::{Client, Setup, Started, Tokens};

const PATIENCE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_is_taken_up_and_the_old_one_dropped() -> Result<()> {
    let (old, new) = (Tokens::generate("old")?, Tokens::generate("new")?);
    let node = Setup::new().jwks(old.jwks()).start()?;
    let old_client = Client::new(&node.url(), Some(old.role("user")))?;
    let new_client = Client::new(&node.url(), Some(new.role("user")))?;
    list(&old_client, 200).await?;
    list(&new_client, 401).await?;

    // Overlap: both are good.
    replace(&node.jwks(), &serde_json::json!({"keys": [old.jwk(), new.jwk()]}).to_string())?;
    becomes(&new_client, 200).await?;
    list(&old_client, 200).await?;

    replace(&node.jwks(), &new.jwks())?;
    becomes(&old_client, 401).await?;
    list(&new_client, 200).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_lets_nobody_new_in() -> Result<()> {
    let (good, stranger) = (Tokens::generate("good")?, Tokens::generate("good")?);
    let node = Setup::new().jwks(good.jwks()).start()?;
    let stranger = Client::new(&node.url(), Some(stranger.role("admin")))?;
    replace(&node.jwks(), "{\"keys\": [{\"kty\": \"RSA\", \"kid\"")?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    list(&stranger, 401).await?;
    list(&Client::new(&node.url(), None)?, 401).await?;
    replace(&node.jwks(), &good.jwks())?;
    becomes(&Client::new(&node.url(), Some(good.role("user")))?, 200).await
}

#[test]
fn without_a_usable_key_there_is_no_service() -> Result<()> {
    for content in ["", "{\"keys\": []}", "not a key"] {
        let mut node = Setup::new().jwks(content.to_owned()).prepare()?;
        let Started::Exited(status) = node.try_start()? else { anyhow::bail!("it serves with the keys {content:?}") };
        ensure!(!status.success(), "the refusal has exit status 0");
        let keys = node.jwks().display().to_string();
        ensure!(node.log().contains(&keys), "the refusal does not name {keys}: {}", node.log_tail());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_pem_files_names_keys_by_file() -> Result<()> {
    let (first, second) = (Tokens::generate("first")?, Tokens::generate("second")?);
    let keys = tempfile::tempdir()?;
    fs::write(keys.path().join("first.pem"), first.public_pem()?)?;
    let node = Setup::new().setting("auth.jwt.keys", keys.path().display().to_string()).start()?;
    list(&Client::new(&node.url(), Some(first.role("user")))?, 200).await?;
    let second_client = Client::new(&node.url(), Some(second.role("user")))?;
    list(&second_client, 401).await?;
    fs::write(keys.path().join("second.pem"), second.public_pem()?)?;
    becomes(&second_client, 200).await
}

async fn list(client: &Client, status: u16) -> Result<()> {
    client.get("/api/v1/files").await?.expect(status).map(drop)
}

async fn becomes(client: &Client, status: u16) -> Result<()> {
    let begun = Instant::now();
    while client.get("/api/v1/files").await?.status != status {
        ensure!(begun.elapsed() < PATIENCE, "not answered with {status} {PATIENCE:?} after the keys changed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Replaces a file whole, as tools and mounted Secrets do.
fn replace(path: &Path, content: &str) -> Result<()> {
    let fresh = path.with_extension("fresh");
    fs::write(&fresh, content)?;
    Ok(fs::rename(fresh, path)?)
}
