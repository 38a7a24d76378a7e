//! Requests on single objects.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::ChecksumMode;
use bytes::{Bytes, BytesMut};
use tokio::time::{sleep, timeout};

use super::client::{Clients, Patience, S3Options};
use super::error::{Failure, Kind};
use crate::model::Timestamp;
use crate::storage::StorageResult;

/// Small objects are at most 4 KiB; one that was made elsewhere is read only so far.
pub(super) const SMALL_READ_LIMIT: usize = 64 * 1024;
/// Pauses between tries of a conditional write.
const RETRY_FIRST: Duration = Duration::from_millis(50);

/// A bucket, seen through a prefix.
pub(super) struct Store {
    pub(super) clients: Clients,
    pub(super) bucket: String,
    /// Empty, or ending in `/`.
    pub(super) prefix: String,
    pub(super) patience: Patience,
    /// Conditions are sent. Only a store that does not know them, with one node that was told to go on, has none.
    pub(super) conditional: AtomicBool,
    /// The store keeps and tells CRC64NVME of whole objects.
    pub(super) knows_crc: AtomicBool,
}

/// What a write depends on.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// Nothing stands at the key.
    Absent,
    /// This version stands there.
    Is(String),
}

/// A small object, read whole.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    pub(super) etag: Option<String>,
}

/// An object's outside.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) modified: Timestamp,
    pub(super) crc64: Option<String>,
}

/// What became of a conditional write.
#[derive(Debug)]
pub(super) enum Written {
    /// It is in place, with this entity tag.
    Done(Option<String>),
    /// The condition did not hold; what stands there instead.
    Unmet(Option<Object>),
}

/// A conditional write of which it is not known that it succeeded.
#[derive(Debug)]
pub(super) struct NotWritten {
    /// It may have happened all the same, or may still.
    pub(super) open: bool,
    pub(super) failure: Failure,
}

impl Store {
    pub(super) async fn connect(options: &S3Options) -> StorageResult<Self> {
        let mut prefix = options.prefix.trim_matches('/').to_owned();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        Ok(Self {
            clients: Clients::new(options).await?,
            bucket: options.bucket.clone(),
            prefix,
            patience: options.patience,
            conditional: AtomicBool::new(true),
            knows_crc: AtomicBool::new(true),
        })
    }

    pub(super) fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// A small object; `None` when it is not there.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Object>, Failure> {
        let mut tries = self.patience.tries;
        loop {
            tries -= 1;
            let request = self.clients.small.get_object().bucket(&self.bucket).key(self.key(path));
            let output = match request.send().await.map_err(Failure::of) {
                Ok(output) => output,
                Err(failure) if failure.is(Kind::Missing) => return Ok(None),
                Err(failure) => return Err(failure),
            };
            match self.read_small(output).await {
                Err(failure) if failure.is(Kind::Open) && tries > 0 => {}
                result => return result.map(Some),
            }
        }
    }

    async fn read_small(&self, mut output: GetObjectOutput) -> Result<Object, Failure> {
        let mut bytes = BytesMut::new();
        while bytes.len() < SMALL_READ_LIMIT {
            let next = timeout(self.patience.stall, output.body.try_next());
            let next = next.await.map_err(|_| Failure::new(Kind::Open, "the store's answer stalled"))?;
            match next? {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => break,
            }
        }
        bytes.truncate(SMALL_READ_LIMIT);
        Ok(Object { bytes: bytes.freeze(), etag: output.e_tag })
    }

    /// An object's outside; `None` when it is not there.
    pub(super) async fn head(&self, path: &str) -> Result<Option<Head>, Failure> {
        let mut request = self.clients.small.head_object().bucket(&self.bucket).key(self.key(path));
        if self.knows_crc.load(Ordering::Relaxed) {
            request = request.checksum_mode(ChecksumMode::Enabled);
        }
        match request.send().await.map_err(Failure::of) {
            Ok(output) => Ok(Some(Head {
                size: output.content_length.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                modified: output.last_modified.map_or(Timestamp::MIN, timestamp),
                crc64: output.checksum_crc64_nvme,
            })),
            Err(failure) if failure.is(Kind::Missing) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Removes an object. Not being there is success.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Failure> {
        let request = self.clients.small.delete_object().bucket(&self.bucket).key(self.key(path));
        match request.send().await.map_err(Failure::of) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is(Kind::Missing) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Writes a small object whatever stands there.
    pub(super) async fn put(&self, path: &str, bytes: Bytes) -> Result<(), Failure> {
        let request = self.clients.small.put_object().bucket(&self.bucket).key(self.key(path));
        request.body(ByteStream::from(bytes)).send().await.map_err(Failure::of).map(|_| ())
    }

    /// One conditional write, asked once.
    pub(super) async fn put_once(
        &self,
        path: &str,
        bytes: Bytes,
        condition: &Condition,
    ) -> Result<Option<String>, Failure> {
        let mut request = self.clients.once.put_object().bucket(&self.bucket).key(self.key(path));
        if self.conditional.load(Ordering::Relaxed) {
            request = match condition {
                Condition::Absent => request.if_none_match("*"),
                Condition::Is(etag) => request.if_match(etag),
            };
        } else {
            self.look_before(path, condition).await?;
        }
        let output = request.body(ByteStream::from(bytes)).send().await.map_err(Failure::of)?;
        Ok(output.e_tag)
    }

    /// What is left of a condition on a store that knows none: a look, which proves nothing a moment later.
    async fn look_before(&self, path: &str, condition: &Condition) -> Result<(), Failure> {
        let found = self.get(path).await?.map(|object| object.etag);
        let holds = match (condition, found) {
            (Condition::Absent, None) => true,
            (Condition::Is(etag), Some(found)) => found.as_ref() == Some(etag),
            _ => false,
        };
        if holds { Ok(()) } else { Err(Failure::new(Kind::Unmet, "something else stands there")) }
    }

    /// A conditional write, asked until it is known what became of it: no two attrs or `element.json` of ours have the same
    /// bytes, so what stands there afterwards tells whether a write whose answer was lost has happened.
    pub(super) async fn put_if(&self, path: &str, bytes: Bytes, condition: Condition) -> Result<Written, NotWritten> {
        let (mut open, mut tries, mut pause) = (false, self.patience.tries, RETRY_FIRST);
        loop {
            tries -= 1;
            let failure = match self.put_once(path, bytes.clone(), &condition).await {
                Ok(etag) => return Ok(Written::Done(etag)),
                Err(failure) => failure,
            };
            // A condition on a version that is gone altogether is answered with 404 by some.
            let unmet = failure.is(Kind::Unmet) || failure.is(Kind::Missing);
            if unmet || failure.is(Kind::Open) {
                open |= failure.is(Kind::Open);
                match self.get(path).await {
                    Ok(Some(found)) if found.bytes == bytes => return Ok(Written::Done(found.etag)),
                    Ok(found) if unmet => return Ok(Written::Unmet(found)),
                    Ok(_) => {}
                    Err(failure) => return Err(NotWritten { open, failure }),
                }
            } else if !failure.is(Kind::Busy) {
                return Err(NotWritten { open, failure });
            }
            if tries == 0 {
                return Err(NotWritten { open, failure });
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

pub(super) fn timestamp(at: DateTime) -> Timestamp {
    SystemTime::try_from(at).map_or(Timestamp::MIN, Timestamp::from)
}
