//! Adding a file.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use storage_element_crds::Operation as Wish;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

use super::announced::Announced;
use super::protocol::{Change, Operation};
use super::{FileError, FileResult, Files, Inner, UploadFields, closed};
use crate::element::{Pass, Promise};
use crate::model::{
    ATTR_SCHEMA_VERSION, Attr, Epoch, FileIntent, FileRow, FileStatus, OperationType, StoragePath, Timestamp, WalRow,
    WalStatus, original_filename, storage_filename,
};
use crate::security::Caller;
use crate::settling::KeyGuard;
use crate::storage::{DataOrder, NewFile, Sealed};

/// The longest original name, in characters: what any catalog can take.
const FILENAME_CHARACTERS: usize = 255;

/// How an upload begins.
pub enum UploadStart {
    /// The idempotency key was used before: this is the file it made.
    Replay(Box<FileRow>),
    /// Send the data.
    Begin(Box<Upload>),
}

/// An upload on its way. Dropped before [`finish`](Self::finish), it leaves nothing behind: where its intent came
/// before its data, it is undone.
pub struct Upload {
    inner: Arc<Inner>,
    pass: Pass,
    caller: Caller,
    key: Option<String>,
    key_lock: Option<KeyGuard<(String, String)>>,
    _permit: OwnedSemaphorePermit,
    tx: Uuid,
    // Dropped in this order: what is still on its way stops before it is undone.
    file: Option<Incoming>,
    announced: Option<Announced>,
    promise: Promise,
}

/// The data part of an upload.
struct Incoming {
    id: Uuid,
    original_filename: String,
    content_type: String,
    storage_filename: String,
    data: Box<dyn NewFile>,
    size: u64,
}

impl Files {
    /// Everything about an upload that needs no body: mode, mastership, transition, capacity, number of uploads, and
    /// whether `key` was used before. `declared` is the request's length in bytes, where it was said.
    pub async fn start_upload(
        &self,
        caller: &Caller,
        declared: Option<u64>,
        key: Option<&str>,
    ) -> FileResult<UploadStart> {
        let inner = &self.inner;
        let pass = inner.enter(Wish::Upload)?;
        let permit = Arc::clone(&inner.uploads).try_acquire_owned().map_err(|_| {
            FileError::TooMany(format!(
                "{} uploads are running, as many as are allowed at once: try again shortly",
                inner.limits.concurrent_uploads
            ))
        })?;
        let mut promise = inner.element.begin_promise();
        let first = declared.unwrap_or(PROMISED_AHEAD_BYTES);
        inner.element.promise(&mut promise, first).await.map_err(FileError::StorageFull)?;
        let mut key_lock = None;
        if let Some(key) = key {
            // Held until the upload is settled: a repetition that comes meanwhile waits and then finds the file.
            key_lock = Some(inner.keys.lock((caller.id.clone(), key.to_owned())).await);
            // In this order: a transaction that settling ends in between is found as a file.
            if let Some(tx) = inner.catalog.open_transaction_by_key(&caller.id, key).await? {
                let reason = "the first upload with this Idempotency-Key is not settled yet".to_owned();
                return Err(FileError::OutcomeUnknown { tx, reason });
            }
            if let Some(row) = inner.catalog.file_by_key(&caller.id, key).await? {
                return Ok(UploadStart::Replay(Box::new(inner.shown(row))));
            }
        }
        Ok(UploadStart::Begin(Box::new(Upload {
            inner: Arc::clone(inner),
            pass,
            caller: caller.clone(),
            key: key.map(str::to_owned),
            key_lock,
            _permit: permit,
            tx: Uuid::new_v4(),
            file: None,
            announced: None,
            promise,
        })))
    }
}

/// Space promised ahead of an upload that does not say how long it is.
const PROMISED_AHEAD_BYTES: u64 = 1024 * 1024;

impl Upload {
    /// The data begins: its name as sent by the client (raw) and its media type, if it is valid.
    pub async fn begin_file(&mut self, filename: &str, content_type: Option<&str>) -> FileResult<()> {
        let Some(original) = original_filename(filename) else {
            return Err(FileError::invalid("file", "the file has no usable name: give it one without U+0000"));
        };
        if original.chars().count() > FILENAME_CHARACTERS {
            let message = format!("the file's name has more than {FILENAME_CHARACTERS} characters: shorten it");
            return Err(FileError::invalid("file", message));
        }
        let id = self.inner.ids.next();
        let name = storage_filename(&original, &self.caller.username, id);
        if self.inner.storage.order() == DataOrder::AfterIntent {
            let intent = self.intent(id, &name.storage_path, None)?;
            let key_lock = self.key_lock.take();
            self.announced = Some(Announced::new(&self.inner, self.pass.share(), intent, key_lock).await?);
        }
        let data = self.inner.storage.new_file(self.pass.term(), self.tx, &name.storage_path).await?;
        self.file = Some(Incoming {
            id,
            original_filename: original,
            content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
            storage_filename: name.storage_filename,
            data,
            size: 0,
        });
        Ok(())
    }

    /// The next piece of data. Fails when a limit is passed, space is out, or this node may no longer write.
    pub async fn write(&mut self, piece: Bytes) -> FileResult<()> {
        let Some(file) = self.file.as_mut() else {
            return Err(FileError::Internal("data before the file part".to_owned()));
        };
        file.size += piece.len() as u64;
        if let Some(limit) = self.inner.limits.file_bytes.filter(|limit| file.size > *limit) {
            return Err(FileError::TooLarge { limit });
        }
        let length = piece.len() as u64;
        if self.promise.unwritten() < length {
            let more = length.max(PROMISED_AHEAD_BYTES);
            self.inner.element.promise(&mut self.promise, more).await.map_err(FileError::StorageFull)?;
        }
        file.data.write(piece).await?;
        self.promise.written(length);
        Ok(())
    }

    /// Returns when the upload has to end although its client still sends: mastership lost, or a mode change.
    /// The error to answer with. Cancel safe.
    pub async fn interrupted(&mut self) -> FileError {
        closed(self.pass.cut().await)
    }

    /// All data and fields are here: publishes the file. When this returns the file survives a power cut.
    pub async fn finish(self, fields: UploadFields) -> FileResult<FileRow> {
        if self.announced.is_none() {
            return self.publish(fields).await;
        }
        // Its own task: what is being sent to its final key must not be left there by a client that goes away.
        let (inner, tx, (answer, answered)) = (Arc::clone(&self.inner), self.tx, oneshot::channel());
        inner.running.spawn(async move { answer.send(self.publish(fields).await) });
        answered.await.unwrap_or_else(|_| {
            Err(FileError::OutcomeUnknown { tx, reason: "its operation ended abnormally; settling finds out".into() })
        })
    }

    async fn publish(mut self, fields: UploadFields) -> FileResult<FileRow> {
        let Some(mut file) = self.file.take() else {
            return Err(FileError::invalid("file", "the request has no file: send one part named `file`"));
        };
        let sealed = file.data.seal().await?;
        if let Some(expected) = fields.checksum.as_ref().filter(|expected| **expected != sealed.checksum) {
            return Err(FileError::ChecksumMismatch { expected: expected.clone(), actual: sealed.checksum });
        }
        let attr = self.attr(&file, fields, sealed);
        let bytes = attr.to_bytes()?;
        file.data.stage(bytes.into()).await?;
        let intent = self.intent(attr.file_id, &attr.storage_path, Some(attr.file_size))?;
        let announced = self.announced.take().and_then(Announced::go_on);
        let (intent, owned, file_lock, key_lock) = match announced {
            Some(row) => (row.intent, Some(row.owned), row.file_lock, row.key_lock),
            None => (intent, None, self.inner.locks.lock(file.id).await, self.key_lock.take()),
        };
        let operation = Operation {
            pass: self.pass.share(),
            intent,
            announced: owned,
            row: FileRow { attr, cached_at: Timestamp::now(), damaged: false, blocked_by: None },
            _file_lock: Some(file_lock),
            key_lock,
            _promise: Some(self.promise),
        };
        let row = self.inner.carry_out(operation, Change::New(file.data)).await?;
        Ok(self.inner.shown(row))
    }

    fn attr(&self, file: &Incoming, fields: UploadFields, sealed: Sealed) -> Attr {
        let created_at = Attr::time_of_id(file.id);
        let name = storage_filename(&file.original_filename, &self.caller.username, file.id);
        let mut attr = Attr {
            schema_version: ATTR_SCHEMA_VERSION,
            file_id: file.id,
            original_filename: file.original_filename.clone(),
            storage_filename: file.storage_filename.clone(),
            storage_path: name.storage_path,
            file_size: sealed.size,
            content_type: file.content_type.clone(),
            checksum: sealed.checksum,
            created_at,
            updated_at: created_at,
            created_by_id: self.caller.id.clone(),
            created_by_username: self.caller.username.clone(),
            created_by_fullname: self.caller.full_name.clone(),
            description: fields.description,
            version: fields.version,
            tags: fields.tags,
            metadata: fields.metadata,
            revision: 1,
            status: FileStatus::Active,
            deleted_at: None,
            retention_until: None,
            legal_hold: false,
            idempotency_key: self.key.clone(),
            epoch: self.pass.term().epoch,
            tx: self.tx,
            write_id: Uuid::new_v4(),
            unknown: Map::new(),
        };
        if let Some(days) = fields.retention_days {
            let wish = created_at.plus_days(days);
            attr.retention_until = Some(self.inner.element.retention().raised(&attr, wish));
        }
        attr
    }

    fn intent(&self, file_id: Uuid, path: &StoragePath, file_size: Option<u64>) -> FileResult<WalRow> {
        let mut unknown = Map::new();
        if let Some(key) = &self.key {
            unknown.insert("created_by_id".to_owned(), json!(self.caller.id));
            unknown.insert("idempotency_key".to_owned(), json!(key));
        }
        let intent = FileIntent {
            storage_path: path.clone(),
            revision: 1,
            file_size,
            expected_etag: None,
            reason: None,
            unknown,
        };
        let epoch = self.pass.term().epoch;
        wal_row(self.tx, OperationType::FileCreate, (file_id, epoch), &self.caller, &intent)
    }
}

/// The row that announces an operation on a file.
pub(super) fn wal_row(
    tx: Uuid,
    operation_type: OperationType,
    (file_id, epoch): (Uuid, Epoch),
    caller: &Caller,
    intent: &FileIntent,
) -> FileResult<WalRow> {
    let operation_data: Value =
        serde_json::to_value(intent).map_err(|error| FileError::Internal(format!("an intent is not JSON: {error}")))?;
    Ok(WalRow {
        transaction_id: tx,
        operation_type,
        status: WalStatus::Pending,
        file_id: Some(file_id),
        operation_data,
        error_message: None,
        started_at: Timestamp::now(),
        completed_at: None,
        duration_ms: None,
        user_id: Some(caller.id.clone()),
        epoch,
    })
}
