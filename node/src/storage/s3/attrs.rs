//! Attr objects: the commit point, the next revision, and what makes it impossible that either still comes.
//!
//! Source of the rules: the product specification, `10-node`, The write protocol and Fencing.

use bytes::Bytes;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::error::{Failure, Kind};
use super::store::{Condition, NotWritten, Object, Store, Written};
use crate::failpoint;
use crate::model::{
    ATTR_LIMIT_BYTES, ATTR_SCHEMA_VERSION, AttrFile, FileStatus, StoragePath, Term, Tombstone, TransactionId,
    id_in_name,
};
use crate::storage::{AttrOnDisk, PublishError, StorageError, StorageResult};

/// How often a rewrite is tried that others keep overtaking. Nobody but a live master writes there, and it ends.
const REWRITES: u32 = 16;

/// The attr beside `path`; `None` when there is none, or a tombstone.
pub(super) async fn attr(store: &Store, path: &StoragePath) -> StorageResult<Option<AttrOnDisk>> {
    let found = store.get(&path.attr_path()).await.map_err(|failure| failure.at("read", path.attr_path()))?;
    Ok(found.filter(|found| !is_tombstone(&found.bytes)).map(|found| AttrOnDisk {
        path: path.clone(),
        bytes: found.bytes,
        etag: found.etag,
    }))
}

pub(super) fn is_tombstone(bytes: &[u8]) -> bool {
    matches!(AttrFile::parse(bytes), Ok(AttrFile::Tombstone(_)))
}

/// Puts the attr of a new file. This is the commit point.
pub(super) async fn create(store: &Store, term: Term, path: &StoragePath, attr: Bytes) -> Result<(), PublishError> {
    put(store, term, path, attr, Condition::Absent, ("s3.before_put_attr", "s3.after_put_attr")).await
}

/// Puts the next revision in place of the one that was read. This is the commit point.
pub(super) async fn replace(store: &Store, term: Term, before: &AttrOnDisk, attr: Bytes) -> Result<(), PublishError> {
    let Some(etag) = before.etag.clone() else {
        let error =
            Failure::new(Kind::Refused, "the store gave it no entity tag").at("replace", before.path.attr_path());
        return Err(PublishError { committed: false, error });
    };
    let points = ("s3.before_replace_attr", "s3.after_replace_attr");
    put(store, term, &before.path, attr, Condition::Is(etag), points).await
}

async fn put(
    store: &Store,
    term: Term,
    path: &StoragePath,
    attr: Bytes,
    condition: Condition,
    (before, after): (&'static str, &'static str),
) -> Result<(), PublishError> {
    let at = path.attr_path();
    let hit = |name, committed| {
        failpoint::hit(name).map_err(|source| PublishError {
            committed,
            error: StorageError::Io { action: "put", path: at.clone(), source },
        })
    };
    hit(before, false)?;
    match store.put_if(&at, attr, condition).await {
        Ok(Written::Done(_)) => hit(after, true),
        Ok(Written::Unmet(found)) => {
            let over = found.and_then(|found| epoch_in(&found.bytes)).is_some_and(|epoch| epoch > term.epoch);
            let error = if over { StorageError::TermOver { term } } else { StorageError::Conflict { path: at } };
            Err(PublishError { committed: false, error })
        }
        Err(NotWritten { open, failure }) => Err(PublishError { committed: open, error: failure.at("put", at) }),
    }
}

/// Makes it impossible that the attr of a create still comes: something stands at its key from now on.
pub(super) async fn forbid_create(store: &Store, term: Term, path: &StoragePath) -> StorageResult<()> {
    let at = path.attr_path();
    for _ in 0..REWRITES {
        match store.put_if(&at, tombstone(term, path), Condition::Absent).await {
            Ok(Written::Done(_) | Written::Unmet(Some(_))) => return Ok(()),
            Ok(Written::Unmet(None)) => {}
            Err(refused) => return Err(refused.failure.at("put a tombstone at", at)),
        }
    }
    Err(StorageError::Conflict { path: at })
}

/// Makes it impossible that the revision of transaction `tx` still comes, unless it is there: the entity tag on which
/// its put depends goes away with a rewrite that says the same.
pub(super) async fn forbid_replace(
    store: &Store,
    term: Term,
    tx: TransactionId,
    path: &StoragePath,
) -> StorageResult<()> {
    let at = path.attr_path();
    for _ in 0..REWRITES {
        let found = store.get(&at).await.map_err(|failure| failure.at("read", at.clone()))?;
        // What is not there has no entity tag to match.
        let Some(Object { bytes, etag: Some(etag) }) = found else { return Ok(()) };
        let Some(rewritten) = rewritten(&bytes, term, tx) else { return Ok(()) };
        match store.put_if(&at, rewritten, Condition::Is(etag)).await {
            Ok(Written::Done(_)) => return Ok(()),
            Ok(Written::Unmet(_)) => {}
            Err(refused) => return Err(refused.failure.at("rewrite", at)),
        }
    }
    Err(StorageError::Conflict { path: at })
}

/// Puts a tombstone in place of the attr of a deleted file.
pub(super) async fn bury(store: &Store, term: Term, path: &StoragePath) -> StorageResult<()> {
    let at = path.attr_path();
    for _ in 0..REWRITES {
        let found = store.get(&at).await.map_err(|failure| failure.at("read", at.clone()))?;
        let Some(Object { bytes, etag: Some(etag) }) = found else { return Ok(()) };
        match AttrFile::parse(&bytes) {
            Ok(AttrFile::Tombstone(_)) => return Ok(()),
            Ok(AttrFile::Attr(attr)) if attr.status == FileStatus::Deleted => {}
            _ => return Err(StorageError::Conflict { path: at }),
        }
        match store.put_if(&at, tombstone(term, path), Condition::Is(etag)).await {
            Ok(Written::Done(_)) => return Ok(()),
            Ok(Written::Unmet(_)) => {}
            Err(refused) => return Err(refused.failure.at("put a tombstone at", at)),
        }
    }
    Err(StorageError::Conflict { path: at })
}

/// Whether `path` holds the attr of a deleted file, or nothing any more: only then its data may go.
pub(super) async fn may_purge(store: &Store, path: &StoragePath) -> StorageResult<bool> {
    let found = attr(store, path).await?;
    Ok(found.is_none_or(
        |found| matches!(AttrFile::parse(&found.bytes), Ok(AttrFile::Attr(attr)) if attr.status == FileStatus::Deleted),
    ))
}

fn tombstone(term: Term, path: &StoragePath) -> Bytes {
    let tombstone = Tombstone {
        schema_version: ATTR_SCHEMA_VERSION,
        tombstone: true,
        file_id: id_in_name(path.file_name()).unwrap_or_default(),
        epoch: term.epoch,
        write_id: Uuid::new_v4(),
    };
    // Five plain fields: there is nothing in it that JSON cannot say.
    serde_json::to_vec(&tombstone).unwrap_or_default().into()
}

/// The same description as another put; `None` when it is `tx`'s own, a tombstone, or cannot be read.
fn rewritten(bytes: &[u8], term: Term, tx: TransactionId) -> Option<Bytes> {
    let mut attr: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let is = |name: &str, value: &Value| attr.get(name) == Some(value);
    if is("tombstone", &Value::Bool(true)) || is("tx", &Value::String(tx.to_string())) {
        return None;
    }
    attr.insert("write_id".to_owned(), Value::String(Uuid::new_v4().to_string()));
    // Whose put it is tells a master that wakes up late that its term is over.
    attr.insert("epoch".to_owned(), term.epoch.into());
    let mut bytes = serde_json::to_vec_pretty(&attr).ok()?;
    if bytes.len() >= ATTR_LIMIT_BYTES {
        bytes = serde_json::to_vec(&attr).ok()?;
    }
    bytes.push(b'\n');
    Some(bytes.into())
}

fn epoch_in(bytes: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(bytes).ok()?.get("epoch")?.as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::{epoch_in, is_tombstone, rewritten, tombstone};
    use crate::model::{Nonce, Term, storage_filename};

    #[test]
    fn a_rewrite_says_the_same_in_other_bytes() {
        let term = Term { epoch: 9, nonce: Nonce::fresh() };
        let attr = json!({"tx": Uuid::from_u128(1), "epoch": 3, "write_id": Uuid::nil(), "later": {"kept": true}});
        let bytes = attr.to_string();
        let (one, two) = (
            rewritten(bytes.as_bytes(), term, Uuid::from_u128(2)),
            rewritten(bytes.as_bytes(), term, Uuid::from_u128(2)),
        );
        assert_ne!(one, two);
        let mut value: Value = serde_json::from_slice(&one.unwrap()).unwrap();
        assert_ne!(value["write_id"], attr["write_id"]);
        value["write_id"] = attr["write_id"].clone();
        assert_eq!(value["epoch"], 9);
        value["epoch"] = 3.into();
        assert_eq!(value, attr);
        assert_eq!(rewritten(bytes.as_bytes(), term, Uuid::from_u128(1)), None);
    }

    #[test]
    fn a_tombstone_is_known_as_one_and_never_rewritten() {
        let term = Term { epoch: 9, nonce: Nonce::fresh() };
        let path = storage_filename("a.txt", "u", Uuid::now_v7()).storage_path;
        let bytes = tombstone(term, &path);
        assert!(is_tombstone(&bytes));
        assert_ne!(bytes, tombstone(term, &path));
        assert_eq!(epoch_in(&bytes), Some(9));
        assert_eq!(rewritten(&bytes, term, Uuid::from_u128(1)), None);
        assert!(!is_tombstone(b"{\"tx\":\"x\"}"));
    }
}
