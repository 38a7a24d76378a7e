//! Changing a file's description, and deleting it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Map;
use storage_element_crds::Operation as Wish;
use uuid::Uuid;

use super::protocol::{Change, Operation};
use super::upload::wal_row;
use super::{FileError, FileResult, Files, Inner, Patch, Precheck, RetentionWish, merge_patch};
use crate::element::{Kept, Pass};
use crate::jobs::Expire;
use crate::model::{Attr, AttrError, AttrFile, FileIntent, FileRow, FileStatus, OperationType, Timestamp};
use crate::security::Caller;
use crate::settling::KeyGuard;
use crate::storage::AttrOnDisk;

/// A file that is about to change: its lock is held, and its attr was read under it.
pub(super) struct Held {
    lock: KeyGuard<Uuid>,
    on_disk: AttrOnDisk,
    pub(super) attr: Attr,
}

impl Files {
    /// Changes a file's description. A patch that changes nothing makes no revision.
    pub async fn update(&self, caller: &Caller, id: Uuid, patch: Patch, check: Precheck<'_>) -> FileResult<FileRow> {
        let inner = &self.inner;
        let pass = inner.enter(Wish::Update)?;
        let held = inner.hold(id).await?;
        if held.attr.is_newer() {
            return Err(FileError::AttrNewer(id));
        }
        let retention = inner.element.retention();
        let mut next = held.attr.clone();
        if let Some(wish) = patch.retention {
            let now = Timestamp::now();
            let wish = match wish {
                RetentionWish::Remove => None,
                RetentionWish::Until(until) => Some(until),
                RetentionWish::Days(days) => Some(now.plus_days(days)),
            };
            next.retention_until = retention.change(&held.attr, wish, now).map_err(|kept| refused(id, kept))?;
        }
        check(&held.attr)?;
        apply(&mut next, patch);
        if next == held.attr {
            let row = FileRow { attr: next, cached_at: Timestamp::now(), damaged: false, blocked_by: None };
            return Ok(inner.shown(row));
        }
        let row = inner.replace(caller, pass, held, next, OperationType::FileUpdate, None).await?;
        Ok(inner.shown(row))
    }

    /// Deletes a file, finally.
    pub async fn delete(&self, caller: &Caller, id: Uuid, check: Precheck<'_>) -> FileResult<()> {
        let inner = &self.inner;
        let pass = inner.enter(Wish::Delete)?;
        let held = inner.hold(id).await?;
        if held.attr.is_newer() {
            return Err(FileError::AttrNewer(id));
        }
        if let Some(kept) = inner.element.retention().kept(&held.attr, Timestamp::now()) {
            return Err(refused(id, kept));
        }
        check(&held.attr)?;
        let mut next = held.attr.clone();
        next.status = FileStatus::Deleted;
        next.deleted_at = Some(Timestamp::now());
        inner.replace(caller, pass, held, next, OperationType::FileDelete, None).await.map(|_| ())
    }

    /// Sets or lifts a file's legal hold; what is so already makes no revision.
    pub async fn set_legal_hold(
        &self,
        caller: &Caller,
        id: Uuid,
        legal_hold: bool,
        reason: Option<String>,
        check: Precheck<'_>,
    ) -> FileResult<FileRow> {
        let inner = &self.inner;
        let pass = inner.enter(Wish::Update)?;
        let held = inner.hold(id).await?;
        if held.attr.is_newer() {
            return Err(FileError::AttrNewer(id));
        }
        check(&held.attr)?;
        if held.attr.legal_hold == legal_hold {
            let row = FileRow { attr: held.attr, cached_at: Timestamp::now(), damaged: false, blocked_by: None };
            return Ok(inner.shown(row));
        }
        let next = Attr { legal_hold, ..held.attr.clone() };
        let row = inner.replace(caller, pass, held, next, OperationType::FileUpdate, reason).await?;
        Ok(inner.shown(row))
    }
}

#[async_trait]
impl Expire for Files {
    /// An ordinary delete, decided again under the file's lock.
    async fn expire(&self, file_id: Uuid) -> Result<bool, String> {
        let rules = *self.inner.element.retention();
        let expired = move |attr: &Attr| {
            if rules.is_expired(attr, Timestamp::now()) { Ok(()) } else { Err(FileError::PreconditionFailed(file_id)) }
        };
        let caller = Caller {
            id: "system:expiry".to_owned(),
            username: "expiry".to_owned(),
            full_name: None,
            role: Some(crate::security::Role::Operator),
        };
        match self.delete(&caller, file_id, &expired).await {
            Ok(()) => Ok(true),
            Err(FileError::PreconditionFailed(_) | FileError::NotFound(_) | FileError::RetentionActive { .. }) => {
                Ok(false)
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What keeps a file, as an answer.
const fn refused(file_id: Uuid, kept: Kept) -> FileError {
    FileError::RetentionActive { file_id, until: kept.until, legal_hold: kept.legal_hold }
}

impl Inner {
    /// Takes a file's lock and reads its attr under it: what is decided from here on holds until the lock is dropped.
    pub(super) async fn hold(&self, id: Uuid) -> FileResult<Held> {
        let lock = self.locks.lock(id).await;
        if let Some(tx) = self.catalog.blocked_by(id).await? {
            return Err(FileError::CacheInconsistent { file_id: id, tx });
        }
        let on_disk = match self.catalog.file(id).await? {
            Some(row) => self.storage.attr(&row.attr.storage_path).await?,
            None => self.storage.find_attr(id).await?,
        };
        let on_disk = on_disk.ok_or(FileError::NotFound(id))?;
        let parsed = AttrFile::parse(&on_disk.bytes)
            .map_err(|error| FileError::AttrInvalid { file_id: id, reason: error.to_string() })?;
        match parsed.into_attr() {
            Some(attr) if attr.file_id == id && attr.status == FileStatus::Active => Ok(Held { lock, on_disk, attr }),
            _ => Err(FileError::NotFound(id)),
        }
    }

    /// Puts the next revision of a file in place.
    pub(super) async fn replace(
        self: &Arc<Self>,
        caller: &Caller,
        pass: Pass,
        held: Held,
        mut next: Attr,
        operation_type: OperationType,
        reason: Option<String>,
    ) -> FileResult<FileRow> {
        let tx = Uuid::new_v4();
        next.revision += 1;
        // Wall clocks step back; a file's own order of changes does not.
        next.updated_at = Timestamp::now().max(held.attr.updated_at.plus_micros(1));
        next.epoch = pass.term().epoch;
        next.tx = tx;
        next.write_id = Uuid::new_v4();
        let bytes = match next.to_bytes() {
            // Deleting, holding and keeping must not fail because the description was as long as it may be.
            Err(AttrError::TooLarge { .. }) if says_the_same(&next, &held.attr) => next.to_bytes_on_one_line()?,
            bytes => bytes?,
        };
        let intent = FileIntent {
            storage_path: next.storage_path.clone(),
            revision: next.revision,
            file_size: Some(next.file_size),
            expected_etag: held.on_disk.etag.clone(),
            reason,
            unknown: Map::new(),
        };
        let intent = wal_row(tx, operation_type, &next, caller, &intent)?;
        let operation = Operation {
            pass,
            intent,
            row: FileRow { attr: next, cached_at: Timestamp::now(), damaged: false, blocked_by: None },
            _file_lock: Some(held.lock),
            key_lock: None,
            _promise: None,
        };
        self.carry_out(operation, Change::Attr { before: held.on_disk, next: bytes.into() }).await
    }
}

/// Whether what people wrote is the same in both.
fn says_the_same(a: &Attr, b: &Attr) -> bool {
    (&a.description, &a.version, &a.tags, &a.metadata) == (&b.description, &b.version, &b.tags, &b.metadata)
}

fn apply(attr: &mut Attr, patch: Patch) {
    if let Some(description) = patch.description {
        attr.description = description;
    }
    if let Some(version) = patch.version {
        attr.version = version;
    }
    if let Some(tags) = patch.tags {
        attr.tags = tags;
    }
    match patch.metadata {
        Some(Some(metadata)) => merge_patch::apply(&mut attr.metadata, &metadata),
        Some(None) => attr.metadata = Map::new(),
        None => {}
    }
}
