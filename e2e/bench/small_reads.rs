//! (c) Downloads of 4 KiB and metadata by id, against nginx's static files.

use std::fs;

use anyhow::{Context, Result};
use storage_element_e2e::{Node, Tokens, Wire, multipart};

use crate::load::{exchange, get, rate};
use crate::nginx::Nginx;
use crate::plan::Plan;
use crate::report::Report;

const DOWNLOAD_BAR: f64 = 0.5;
const METADATA_BAR: f64 = 0.5;
const CONTENT: [u8; 4096] = [b'y'; 4096];
const METADATA_BYTES: usize = 1024;

pub fn run(plan: &Plan, node: &Node, nginx: &Nginx, report: &mut Report) -> Result<()> {
    let token = Tokens::shared().role("user");
    let ids = upload_all(plan.small_files, node, &token)?;
    for number in 0..plan.small_files {
        fs::write(nginx.root().join(format!("4k-{number}")), CONTENT)?;
        fs::write(nginx.root().join(format!("1k-{number}")), &CONTENT[..METADATA_BYTES])?;
    }
    let ours = |path: &str| -> Vec<_> {
        ids.iter().map(|id| get(&format!("/api/v1/files/{id}{path}"), Some(&token))).collect()
    };
    let theirs = |name: &str| -> Vec<_> {
        (0..plan.small_files).map(|number| get(&format!("/{name}-{number}"), None)).collect()
    };
    let clients = plan.read_clients;

    let (node_rates, nginx_rates) = side_by_side(plan, node, nginx, &ours("/download"), &theirs("4k"))?;
    let work = format!("download 4 KiB, {clients} clients");
    report.compare(work, "requests/s", node_rates, ("nginx without token", nginx_rates), Some(DOWNLOAD_BAR));

    let (node_rates, nginx_rates) = side_by_side(plan, node, nginx, &ours(""), &theirs("1k"))?;
    let work = format!("metadata by id, {clients} clients");
    report.compare(work, "requests/s", node_rates, ("nginx, static 1 KiB", nginx_rates), Some(METADATA_BAR));
    Ok(())
}

fn side_by_side(
    plan: &Plan,
    node: &Node,
    nginx: &Nginx,
    ours: &[Vec<u8>],
    theirs: &[Vec<u8>],
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut node_rates, mut nginx_rates) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        nginx_rates.push(reads(plan, nginx.address(), theirs)?);
        node_rates.push(reads(plan, node.address(), ours)?);
    }
    Ok((node_rates, nginx_rates))
}

/// Requests a second; each client begins at another place of the list.
fn reads(plan: &Plan, address: (&'static str, u16), requests: &[Vec<u8>]) -> Result<f64> {
    rate(plan.read_clients, plan.window, |client| {
        let mut wire = Wire::connect(address)?;
        let offset = client * requests.len() / plan.read_clients;
        Ok(move |number: usize| exchange(&mut wire, &requests[(offset + number) % requests.len()], 200).map(drop))
    })
}

fn upload_all(files: usize, node: &Node, token: &str) -> Result<Vec<String>> {
    let mut wire = Wire::connect(node.address())?;
    let request = multipart::request("small.bin", &CONTENT, token);
    (0..files)
        .map(|_| {
            wire.send(&request)?;
            let head = wire.head()?.context("the connection was closed instead of an answer")?;
            let metadata: serde_json::Value = serde_json::from_slice(&wire.body(head.content_length)?)?;
            Ok(metadata["file_id"].as_str().with_context(|| format!("{}{metadata}", head.text))?.to_owned())
        })
        .collect()
}
