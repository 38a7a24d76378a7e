//! (b) One large file up and down.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use storage_element_e2e::{Node, Tokens, Wire, multipart};

use crate::disk;
use crate::load::{exchange, get, megabytes_per_second};
use crate::nginx::Nginx;
use crate::plan::Plan;
use crate::report::Report;

const UPLOAD_BAR: f64 = 0.9;
const DOWNLOAD_BAR: f64 = 0.9;

pub fn run(plan: &Plan, node: &Node, nginx: &Nginx, folder: &Path, report: &mut Report) -> Result<()> {
    let (bytes, piece) = (plan.large_bytes, disk::random_piece());
    let token = Tokens::shared().role("operator");
    let (mut up, mut written, mut hashed, mut last) = (Vec::new(), Vec::new(), Vec::new(), None);
    for _ in 0..plan.rounds {
        written.push(disk::sequential_write(folder, bytes, &piece)?);
        hashed.push(disk::hashing(bytes, &piece)?);
        let mut id = String::new();
        up.push(megabytes_per_second(bytes, || {
            id = upload(node, bytes, &piece, &token)?;
            Ok(bytes)
        })?);
        last = Some(id);
    }
    report.compare(
        "upload 1 file, to the disk's writing",
        "MB/s",
        up.clone(),
        ("write and fsync", written.clone()),
        None,
    );
    report.compare("upload 1 file, to hashing", "MB/s", up.clone(), ("SHA-256 on one core", hashed.clone()), None);
    let limit = written.into_iter().zip(hashed).map(|(disk, core)| disk.min(core)).collect();
    let work = format!("upload {} MiB", bytes >> 20);
    report.compare(work, "MB/s", up, ("the lower of both", limit), Some(UPLOAD_BAR));

    let id = last.context("no round was run")?;
    let mut file = fs::File::create(nginx.root().join("large"))?;
    disk::in_pieces(bytes, &piece, |piece| Ok(std::io::Write::write_all(&mut file, piece)?))?;
    // Both sides read from memory: neither may wait for the other's writing.
    file.sync_all()?;
    let path = format!("/api/v1/files/{id}/download");
    let (ours_request, theirs_request) = (get(&path, Some(&token)), get("/large", None));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..=plan.rounds {
        theirs.push(download(nginx.address(), &theirs_request, bytes)?);
        ours.push(download(node.address(), &ours_request, bytes)?);
    }
    // The first of each side only warms the page cache.
    let (ours, theirs) = (ours.split_off(1), theirs.split_off(1));
    report.compare(format!("download {} MiB", bytes >> 20), "MB/s", ours, ("nginx", theirs), Some(DOWNLOAD_BAR));
    Ok(())
}

fn upload(node: &Node, bytes: u64, piece: &[u8], token: &str) -> Result<String> {
    let envelope = multipart::envelope("large.bin", bytes, token);
    let mut wire = Wire::connect(node.address())?;
    wire.send(&envelope.before)?;
    disk::in_pieces(bytes, piece, |piece| wire.send(piece))?;
    wire.send(envelope.after)?;
    let head = wire.head()?.context("the connection was closed instead of an answer")?;
    let body = wire.body(head.content_length)?;
    let metadata: serde_json::Value = serde_json::from_slice(&body)?;
    let id = metadata["file_id"].as_str().with_context(|| format!("{}{metadata}", head.text))?;
    Ok(id.to_owned())
}

fn download(address: (&str, u16), request: &[u8], bytes: u64) -> Result<f64> {
    let mut wire = Wire::connect(address)?;
    megabytes_per_second(bytes, || exchange(&mut wire, request, 200))
}
