//! What the master that stops itself is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use storage_element_e2e::{Answer, Client, Peers, Tokens, Upload, change_mode};

/// Every kind of operation, and with `then_collect` a collection, until the node stands still: what comes later would be
/// the successor's, passed on. What was answered.
pub async fn work(
    client: Client,
    first: Upload,
    stopped: Arc<AtomicBool>,
    then_collect: bool,
) -> Vec<(&'static str, String, u16)> {
    let mut heard = Vec::new();
    let Ok(answer) = client.upload(&first).await else { return heard };
    let Ok(id) = answer.file_id() else { return heard };
    heard.push(("upload", id.clone(), answer.status));
    let goes_on = || !stopped.load(Ordering::SeqCst);
    let hold = format!("/api/v1/files/{id}/legal-hold");
    if goes_on()
        && let Ok(answer) = client.patch(&id, &json!({"description": "by the first master"})).await
    {
        heard.push(("update", id.clone(), answer.status));
    }
    if goes_on()
        && let Ok(answer) = client.send_json("PUT", &hold, &json!({"reason": "a test"})).await
    {
        heard.push(("hold", id.clone(), answer.status));
    }
    if goes_on()
        && let Ok(answer) = client.send("DELETE", &hold, &[], None).await
    {
        heard.push(("lift", id.clone(), answer.status));
    }
    if goes_on() {
        // One that is not answered may have happened.
        let status = client.delete(&id).await.map_or(0, |answer| answer.status);
        heard.push(("delete", id, status));
    }
    if then_collect && goes_on() {
        let admin = client.with_token(Some(Tokens::shared().role("admin")));
        let _ = admin.send_json("POST", "/api/v1/admin/gc", &json!({})).await;
    }
    heard
}

/// A change to `ro`, until the node stands still; what was answered, if anything.
pub async fn seal(peers: Arc<Peers>, stopped: Arc<AtomicBool>) -> Vec<(&'static str, String, u16)> {
    let put = async |wish: &Value| {
        ensure!(!stopped.load(Ordering::SeqCst), "what is asked now is asked of the successor");
        put_mode(&peers, 0, wish).await
    };
    match change_mode(put, "ro", 1).await {
        Ok(Some(answer)) => vec![("mode", String::new(), answer.status)],
        Ok(None) | Err(_) => Vec::new(),
    }
}

/// One request about the mode, by the peer port: phases come no other way.
pub async fn put_mode(peers: &Arc<Peers>, node: usize, wish: &Value) -> Result<Answer> {
    let (peers, wish) = (Arc::clone(peers), wish.clone());
    tokio::task::spawn_blocking(move || peers.put_mode(node, &wish)).await?
}
