//! All there is of an element, before and after.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use storage_element_e2e::storage::is_tombstone;
use storage_element_e2e::{Client, Storage};

use crate::scene::Scene;

/// All that is stored, and all that the catalog says.
pub struct Seen {
    objects: BTreeMap<String, u64>,
    attrs: BTreeMap<String, Vec<u8>>,
    files: Vec<Value>,
    log: Vec<Value>,
}

impl Seen {
    pub async fn of(storage: &Storage, client: &Client) -> Result<Self> {
        // What lies in a term's own staging is its own affair: it is removed with the term.
        let is_final = |name: &String| !name.contains("staging/") && !name.starts_with(".trash/");
        let objects: BTreeMap<String, u64> =
            storage.names().await?.into_iter().filter(|(name, _)| is_final(name)).collect();
        let mut attrs = BTreeMap::new();
        for name in objects.keys().filter(|name| name.ends_with(".attr.json") || name.starts_with(".element/")) {
            attrs.insert(name.clone(), storage.read(name).await?.unwrap_or_default().to_vec());
        }
        let admin = client.with_token(Some(storage_element_e2e::Tokens::shared().role("admin")));
        let files = client.all("/api/v1/files", &[]).await?;
        let log = admin.all("/api/v1/admin/wal", &[]).await?;
        Ok(Self { objects, attrs, files, log })
    }

    /// That nothing has changed. A collection that goes on may take away for good what an attr calls deleted: removing
    /// bytes is not fenced, and nobody can see them any more.
    pub fn compare(&self, after: &Self, scene: Scene) -> Result<()> {
        let mut objects = after.objects.clone();
        // A store cannot be kept from taking data that nothing describes: beside a tombstone it is no file, and
        // `gc {orphans}` sets it aside.
        objects.retain(|name, _| {
            let tombstone = self.attrs.get(&format!("{name}.attr.json")).is_some_and(|attr| is_tombstone(attr));
            // A report that came late is replaced by that of the change when it is done.
            let report = scene == Scene::ModeChange && name.starts_with(".element/transitions/");
            self.objects.contains_key(name) || !(tombstone || report)
        });
        let collected = |name: &str| {
            let name = name.trim_end_matches(".attr.json");
            scene == Scene::Collection
                && self.attrs.get(&format!("{name}.attr.json")).is_some_and(|attr| is_deleted(attr))
        };
        let mut before = self.objects.clone();
        before.retain(|name, _| !collected(name));
        objects.retain(|name, _| !collected(name));
        ensure!(before == objects, "PROMISE BROKEN: objects: {before:?}, then {objects:?}");
        for (name, bytes) in self.attrs.iter().filter(|(name, _)| !collected(name)) {
            let now = after.attrs.get(name).with_context(|| format!("PROMISE BROKEN: {name} is gone"))?;
            if now != bytes {
                let text = String::from_utf8_lossy;
                bail!("PROMISE BROKEN: {name} was {} and is {}", text(bytes), text(now));
            }
        }
        ensure!(self.files == after.files, "PROMISE BROKEN: rows: {:?}, then {:?}", self.files, after.files);
        ensure!(self.log == after.log, "PROMISE BROKEN: the log: {:?}, then {:?}", self.log, after.log);
        Ok(())
    }
}

fn is_deleted(attr: &[u8]) -> bool {
    serde_json::from_slice::<Value>(attr).is_ok_and(|attr| attr["status"] == "deleted" || attr["tombstone"] == true)
}
