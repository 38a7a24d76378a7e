//! Files of 2 January 2020, put into a storage by hand, as a restored backup brings them: no node has seen them come.

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::storage::{ATTR_SUFFIX, Storage};

/// 2020-01-02T00:00:00Z in seconds since 1970.
const DAY: u64 = 1_577_923_200;

/// Files put into a bucket at once.
const AT_ONCE: usize = 8;

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

/// Puts the `number`th file of that day (below 86,400: one a second) into the storage, name `planted-NUMBER.txt`, with
/// an old modification time where there is a volume. `template` is the attr of any file of the element; `change` gives the attr its last touch.
///
/// # Errors
/// When the storage cannot be written.
pub async fn plant(
    storage: &Storage,
    template: &Value,
    number: u32,
    change: impl FnOnce(&mut Value),
) -> Result<Planted> {
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
    for (path, bytes) in
        [(path.clone(), content.into_bytes()), (format!("{path}{ATTR_SUFFIX}"), serde_json::to_vec_pretty(&attr)?)]
    {
        storage.write(&path, bytes).await?;
        if let Storage::Folder(root) = storage {
            let file = File::options().append(true).open(root.join(path))?;
            file.set_modified(UNIX_EPOCH + Duration::from_secs(DAY + second))?;
        }
    }
    Ok(Planted { file_id: id.to_string(), path, sha256 })
}

/// Plants `files` of them, spread over the day.
///
/// # Errors
/// When the storage cannot be written.
pub async fn plant_many(storage: &Storage, template: &Value, files: u32) -> Result<Vec<Planted>> {
    let apart = 86_400 / files.max(1);
    let all = stream::iter(0..files).map(|number| plant(storage, template, number * apart, |_| ()));
    all.buffered(AT_ONCE).try_collect().await
}
