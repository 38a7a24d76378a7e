//! Files of 2 January 2020, put on a volume by hand, as a restored backup brings them: no node has seen them come.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// 2020-01-02T00:00:00Z in seconds since 1970.
const DAY: u64 = 1_577_923_200;

/// One such file.
#[derive(Clone, Debug)]
pub struct Planted {
    /// Its id.
    pub file_id: String,
    /// Where it lies below the root of the volume.
    pub path: String,
    /// SHA-256 of its content.
    pub sha256: String,
}

/// Puts the `number`th file of that day (below 86,400: one a second) on the volume, name `planted-NUMBER.txt`, with
/// old modification times. `template` is the attr of any file of the element; `change` gives the attr its last touch.
///
/// # Errors
/// When the volume cannot be written.
pub fn plant(volume: &Path, template: &Value, number: u32, change: impl FnOnce(&mut Value)) -> Result<Planted> {
    let (second, content) = (u64::from(number), format!("planted {number}"));
    let id = Builder::from_unix_timestamp_millis((DAY + second) * 1000, &rand::random()).into_uuid();
    let (hour, minute, rest) = (second / 3600, second / 60 % 60, second % 60);
    let name = format!("planted-{number}_user-1_20200102T{hour:02}{minute:02}{rest:02}_{}.txt", id.simple());
    let path = format!("2020/01/02/{hour:02}/{name}");
    let time = format!("2020-01-02T{hour:02}:{minute:02}:{rest:02}.000000Z");
    let sha256 = hex::encode(Sha256::digest(&content));
    let own = json!({
        "file_id": id, "original_filename": format!("planted-{number}.txt"), "storage_filename": name,
        "storage_path": path, "file_size": content.len(), "checksum": sha256, "created_at": time, "updated_at": time,
        "revision": 1, "tx": Uuid::new_v4(), "write_id": Uuid::new_v4(), "idempotency_key": null,
    });
    let mut attr = template.clone();
    for (key, value) in own.as_object().into_iter().flatten() {
        attr[key] = value.clone();
    }
    change(&mut attr);
    let data = volume.join(&path);
    fs::create_dir_all(data.parent().context("a file has a folder")?)?;
    fs::write(&data, content)?;
    let beside = volume.join(format!("{path}.attr.json"));
    fs::write(&beside, serde_json::to_vec_pretty(&attr)?)?;
    for file in [data, beside] {
        File::options().append(true).open(file)?.set_modified(UNIX_EPOCH + Duration::from_secs(DAY + second))?;
    }
    Ok(Planted { file_id: id.to_string(), path, sha256 })
}

/// The attr of a file as it lies on the volume. `metadata` is what the API says of it.
///
/// # Errors
/// When it cannot be read.
pub fn attr_of(volume: &Path, metadata: &Value) -> Result<Value> {
    let path = metadata["storage_path"].as_str().with_context(|| format!("no storage_path: {metadata}"))?;
    let bytes = fs::read(volume.join(format!("{path}.attr.json"))).with_context(|| path.to_owned())?;
    Ok(serde_json::from_slice(&bytes)?)
}
