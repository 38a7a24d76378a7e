//! What a test knows about the files it sent: what must be there, what may be, what must not.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use crate::{Answer, Client, Upload};

/// Downloads at a time while checking.
const DOWNLOADS: usize = 8;

/// Whether a file has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was acknowledged.
    Must,
    /// Its outcome was never told: whole or absent, both are right.
    May,
    /// It was refused, or its deletion was acknowledged.
    MustNot,
}

/// One file as the test knows it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Whether it has to be there.
    pub presence: Presence,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Its id, once told.
    pub id: Option<String>,
    /// The descriptions it may have.
    pub descriptions: Vec<Value>,
}

/// All files a test has sent, by the label each carries in its `version` field.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    files: BTreeMap<String, Expected>,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The file with this label.
    ///
    /// # Errors
    /// When none was sent.
    pub fn file(&mut self, label: &str) -> Result<&mut Expected> {
        self.files.get_mut(label).with_context(|| format!("no file was sent under the label {label}"))
    }

    /// How many files must be there.
    pub fn acknowledged(&self) -> usize {
        self.files.values().filter(|file| file.presence == Presence::Must).count()
    }

    /// Sends an upload under this label and notes what came of it. No answer is an outcome too, not an error.
    ///
    /// # Errors
    /// When the content cannot be read.
    pub async fn upload(&mut self, client: &Client, label: &str, upload: Upload) -> Result<Option<Answer>> {
        let sha256 = upload.content().sha256()?;
        let upload = upload.field("version", label);
        let answer = client.upload(&upload).await.ok();
        self.note_upload(label, sha256, answer.as_ref())?;
        Ok(answer)
    }

    /// Notes the outcome of an upload that was sent with `label` as its version; `None` when no answer came.
    ///
    /// # Errors
    /// When a 201 carries no id.
    pub fn note_upload(&mut self, label: &str, sha256: String, answer: Option<&Answer>) -> Result<()> {
        let (presence, id) = match answer {
            Some(answer) if answer.status == 201 => (Presence::Must, Some(answer.file_id()?)),
            other => (unless_done(other), None),
        };
        self.files.insert(label.to_owned(), Expected { presence, sha256, id, descriptions: Vec::new() });
        Ok(())
    }

    /// Changes the description of a file that was sent without one, and notes what came of it.
    ///
    /// # Errors
    /// When no such file was acknowledged.
    pub async fn describe(&mut self, client: &Client, label: &str, description: &str) -> Result<Option<Answer>> {
        let answer = client.patch(&self.id(label)?, &serde_json::json!({ "description": description })).await.ok();
        self.note_description(label, description, answer.as_ref())?;
        Ok(answer)
    }

    /// Notes the outcome of a change of the description; `None` when no answer came.
    ///
    /// # Errors
    /// When no such file was sent.
    pub fn note_description(&mut self, label: &str, description: &str, answer: Option<&Answer>) -> Result<()> {
        let file = self.file(label)?;
        if file.descriptions.is_empty() {
            file.descriptions.push(Value::Null);
        }
        match answer {
            Some(answer) if answer.status == 200 => file.descriptions = vec![description.into()],
            other if unless_done(other) == Presence::May => file.descriptions.push(description.into()),
            _ => {}
        }
        Ok(())
    }

    /// Deletes the file and notes what came of it. `client` has to be an operator's.
    ///
    /// # Errors
    /// When no such file was acknowledged.
    pub async fn delete(&mut self, client: &Client, label: &str) -> Result<Option<Answer>> {
        let answer = client.delete(&self.id(label)?).await.ok();
        self.note_deletion(label, answer.as_ref())?;
        Ok(answer)
    }

    /// Notes the outcome of a deletion; `None` when no answer came.
    ///
    /// # Errors
    /// When no such file was sent.
    pub fn note_deletion(&mut self, label: &str, answer: Option<&Answer>) -> Result<()> {
        let file = self.file(label)?;
        match answer {
            Some(answer) if answer.status == 204 => file.presence = Presence::MustNot,
            other if unless_done(other) == Presence::May => file.presence = Presence::May,
            _ => {}
        }
        Ok(())
    }

    /// The id of an acknowledged file.
    ///
    /// # Errors
    /// When it was not acknowledged.
    pub fn id(&self, label: &str) -> Result<String> {
        let id = self.files.get(label).and_then(|file| file.id.clone());
        id.with_context(|| format!("no file was acknowledged under the label {label}"))
    }

    /// Compares with what the node has: every file that must be there is, once, with the right bytes; what may be
    /// there is whole; what must not be there is not.
    ///
    /// # Errors
    /// When it differs.
    pub async fn compare(&self, client: &Client) -> Result<()> {
        let items = client.all("/api/v1/files", &[]).await?;
        let mut present: BTreeMap<String, &Value> = BTreeMap::new();
        for item in &items {
            let label = item["version"].as_str().unwrap_or_default().to_owned();
            ensure!(self.files.contains_key(&label), "PROMISE BROKEN: the element has a file nobody sent: {item}");
            ensure!(present.insert(label, item).is_none(), "PROMISE BROKEN: the element has a file twice: {item}");
        }
        for (label, file) in &self.files {
            match (present.get(label), file.presence) {
                (None, Presence::Must) => {
                    anyhow::bail!("PROMISE BROKEN: the acknowledged file {label} is not in the list: {file:?}")
                }
                (Some(item), Presence::MustNot) => anyhow::bail!("PROMISE BROKEN: {label} must not be there: {item}"),
                (Some(item), _) => file.matches(label, item)?,
                (None, _) => {}
            }
            if file.presence == Presence::MustNot
                && let Some(id) = &file.id
            {
                client.metadata(id).await?.expect(404)?;
            }
        }
        let downloads = present.into_iter().map(|(label, item)| self.download(client, label, item));
        stream::iter(downloads).buffer_unordered(DOWNLOADS).try_collect::<()>().await
    }

    async fn download(&self, client: &Client, label: String, item: &Value) -> Result<()> {
        let id = item["file_id"].as_str().context("an item without file_id")?;
        let (status, sha256, size) =
            client.download_digest(id).await.with_context(|| format!("download of {label}"))?;
        ensure!(status == 200, "the download of {label} was answered {status}");
        ensure!(
            self.files[&label].sha256 == sha256,
            "PROMISE BROKEN: {label} came back different, with {size} bytes: {item}"
        );
        Ok(())
    }
}

impl Expected {
    fn matches(&self, label: &str, item: &Value) -> Result<()> {
        ensure!(
            item["checksum"] == self.sha256.as_str(),
            "PROMISE BROKEN: {label} has another checksum than what was sent: {item}"
        );
        if let Some(id) = &self.id {
            ensure!(
                item["file_id"] == id.as_str(),
                "PROMISE BROKEN: {label} has another id than the acknowledged one {id}: {item}"
            );
        }
        let known = self.descriptions.is_empty() || self.descriptions.contains(&item["description"]);
        ensure!(known, "PROMISE BROKEN: {label} has a description other than {:?}: {item}", self.descriptions);
        Ok(())
    }
}

/// What an answer other than success says: only "no answer" and `OUTCOME_UNKNOWN` leave it open. Any other refusal is
/// a promise that nothing happened.
fn unless_done(answer: Option<&Answer>) -> Presence {
    match answer {
        None => Presence::May,
        Some(answer) if answer.code() == "OUTCOME_UNKNOWN" => Presence::May,
        Some(_) => Presence::MustNot,
    }
}
