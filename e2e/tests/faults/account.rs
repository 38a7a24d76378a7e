//! What a test knows about its files, and what a reader may see of them at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use storage_element_e2e::{Answer, Client, Ledger};

/// What all workers and readers of one node share.
#[derive(Default)]
pub struct Account {
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    ledger: Ledger,
    /// SHA-256 of everything ever sent, by label.
    sent: BTreeMap<String, String>,
    revisions: BTreeMap<String, Revision>,
    /// Files whose deletion was acknowledged.
    deleted: BTreeSet<String>,
}

/// The revision of a file, as far as it is known.
#[derive(Clone, Copy, Default)]
struct Revision {
    acknowledged: u64,
    /// Changes whose outcome was not told.
    open: u64,
}

impl Account {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file is about to be sent.
    pub fn sending(&self, label: &str, sha256: &str) {
        self.book().sent.insert(label.to_owned(), sha256.to_owned());
    }

    /// An upload has ended. True when it was acknowledged.
    pub fn uploaded(&self, label: &str, sha256: &str, answer: Option<&Answer>) -> Result<bool> {
        let mut book = self.book();
        book.ledger.note_upload(label, sha256.to_owned(), answer)?;
        let acknowledged = answer.is_some_and(|answer| answer.status == 201);
        if acknowledged {
            book.revisions.insert(label.to_owned(), Revision { acknowledged: 1, open: 0 });
        }
        Ok(acknowledged)
    }

    /// A change of a description has ended.
    pub fn described(&self, label: &str, description: &str, answer: Option<&Answer>) -> Result<()> {
        let mut book = self.book();
        book.ledger.note_description(label, description, answer)?;
        let revision = book.revisions.get_mut(label).context("a file that was acknowledged")?;
        match answer {
            Some(answer) if answer.status == 200 => {
                let told = answer.json()?["revision"].as_u64().with_context(|| format!("no revision: {answer}"))?;
                let expected = revision.acknowledged + 1..=revision.acknowledged + 1 + revision.open;
                ensure!(
                    expected.contains(&told),
                    "PROMISE BROKEN: {label} was answered revision {told}, not one of {expected:?}"
                );
                *revision = Revision { acknowledged: told, open: 0 };
            }
            answer if is_open(answer) => revision.open += 1,
            _ => {}
        }
        Ok(())
    }

    /// A deletion has ended.
    pub fn deleted(&self, label: &str, answer: Option<&Answer>) -> Result<()> {
        let mut book = self.book();
        book.ledger.note_deletion(label, answer)?;
        match answer {
            Some(answer) if answer.status == 204 => drop(book.deleted.insert(label.to_owned())),
            answer if is_open(answer) => {
                if let Some(revision) = book.revisions.get_mut(label) {
                    revision.open += 1;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The id of an acknowledged file.
    pub fn id(&self, label: &str) -> Result<String> {
        self.book().ledger.id(label)
    }

    /// Files that were acknowledged and may not be gone.
    pub fn acknowledged(&self) -> usize {
        self.book().ledger.acknowledged()
    }

    /// A list, and one download of it: whole and known, and nothing that was deleted before it was asked for. `choice`
    /// says which one is downloaded.
    pub async fn look(&self, user: &Client, choice: u64) -> Result<()> {
        let gone = self.book().deleted.clone();
        let Ok(answer) = user.get("/api/v1/files?limit=1000").await else { return Ok(()) };
        if answer.status != 200 {
            return may_fail("a list", &answer);
        }
        let items = answer.json()?["items"].as_array().context("a page without items")?.clone();
        for item in &items {
            let label = item["version"].as_str().unwrap_or_default();
            ensure!(!gone.contains(label), "PROMISE BROKEN: {label} was deleted and is listed again: {item}");
            self.is_whole(label, item)?;
        }
        let Some(item) = items.get(usize::try_from(choice % items.len().max(1) as u64).unwrap_or(0)) else {
            return Ok(());
        };
        let id = item["file_id"].as_str().context("an item without file_id")?;
        // A body that breaks off is seen by whoever downloads it; one that ends well is whole.
        if let Ok((200, sha256, size)) = user.download_digest(id).await {
            ensure!(
                item["checksum"] == sha256.as_str(),
                "PROMISE BROKEN: a download came whole with {size} other bytes: {item}"
            );
        }
        Ok(())
    }

    fn is_whole(&self, label: &str, item: &Value) -> Result<()> {
        let book = self.book();
        let sha256 = book.sent.get(label).with_context(|| format!("a file nobody sent is shown: {item}"))?;
        ensure!(item["checksum"] == sha256.as_str(), "PROMISE BROKEN: {label} is shown with another checksum: {item}");
        Ok(())
    }

    /// Compares with what the node has, revisions included.
    pub async fn compare(&self, user: &Client) -> Result<()> {
        let (ledger, revisions) = {
            let book = self.book();
            (book.ledger.clone(), book.revisions.clone())
        };
        ledger.compare(user).await?;
        for item in user.all("/api/v1/files", &[]).await? {
            let label = item["version"].as_str().unwrap_or_default();
            let Some(Revision { acknowledged, open }) = revisions.get(label).copied() else { continue };
            let revision = item["revision"].as_u64().unwrap_or_default();
            let expected = acknowledged..=acknowledged + open;
            ensure!(
                expected.contains(&revision),
                "PROMISE BROKEN: {label} has revision {revision}, not one of {expected:?}: {item}"
            );
        }
        Ok(())
    }
}

/// Whether an answer leaves open what happened.
fn is_open(answer: Option<&Answer>) -> bool {
    answer.is_none_or(|answer| answer.code() == "OUTCOME_UNKNOWN")
}

/// What may be answered while something is at fault: 503 with a code that says what, and nothing that sounds final.
pub fn may_fail(what: &str, answer: &Answer) -> Result<()> {
    const PASSING: [&str; 6] = [
        "DATABASE_UNAVAILABLE",
        "STORAGE_UNAVAILABLE",
        "OUTCOME_UNKNOWN",
        "RECOVERING",
        "NOT_MASTER",
        "TRANSITION_IN_PROGRESS",
    ];
    let code = answer.code();
    ensure!(answer.status == 503 && PASSING.contains(&code.as_str()), "{what} was answered {answer}");
    ensure!(answer.header("retry-after").is_some(), "{what} does not say when to come again: {answer}");
    Ok(())
}
