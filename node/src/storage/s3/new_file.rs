//! A new file on its way into the store: data to its final key, then the attr, which is the commit point.

use std::mem;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::CompletedPart;
use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::attrs;
use super::buffers::{Buffer, Buffers};
use super::crc::Crc64;
use super::error::{Failure, Kind};
use super::listing::Listings;
use super::store::Store;
use super::uploading::{Expected, PartPut, part};
use crate::failpoint;
use crate::model::{StoragePath, Term};
use crate::storage::{NewFile, PublishError, Sealed, StorageError, StorageResult};

const MIB: usize = 1024 * 1024;
/// Ours for the first thousand; a store takes none below 5 MiB but the last. Some keep a note of each part where little
/// fits (an extended attribute on ext4: some 800 parts), so 5 GiB have to do with fewer.
const PART_MIB: usize = 8;
/// Parts after which the next ones are larger by [`PART_MIB`]: 10,000 parts, the most a store takes, are 265 GiB then.
const PARTS_OF_ONE_SIZE: usize = 1000;
const PART_MOST_MIB: usize = 32;
/// The most parts a store takes for one object.
const PARTS_MOST: usize = 10_000;
/// Parts of one file on their way at once.
const PARTS_AT_ONCE: usize = 2;
/// Data of all files together that waits in memory, beside [`FREE_BYTES`] for each: what does not fit waits for its turn.
pub(super) const MEMORY_MIB: usize = 32;
/// Data each file may have in memory without a place in [`MEMORY_MIB`]: a small file never waits for a large one.
const FREE_BYTES: usize = MIB;

/// A new file.
pub(super) struct NewS3File {
    store: Arc<Store>,
    listings: Arc<Listings>,
    buffers: Arc<Buffers>,
    term: Term,
    path: StoragePath,
    hash: Sha256,
    crc: Crc64,
    size: u64,
    /// The beginning, as long as it may be all.
    small: BytesMut,
    /// The part that is being gathered.
    part: Option<Buffer>,
    parts: Option<Parts>,
    attr: Option<Bytes>,
    torn: bool,
}

/// A multipart upload. Dropped, it stops; what the store has of it goes when the transaction is settled.
struct Parts {
    upload: Arc<str>,
    sent: usize,
    running: JoinSet<PartPut>,
    done: Vec<CompletedPart>,
}

impl Parts {
    /// Waits for one part.
    async fn next(&mut self) -> Result<bool, Failure> {
        let Some(ended) = self.running.join_next().await else { return Ok(false) };
        let ended = ended.map_err(|error| Failure::new(Kind::Open, format!("a part ended abnormally: {error}")))?;
        self.done.push(ended?);
        Ok(true)
    }
}

impl NewS3File {
    pub(super) fn new(
        store: &Arc<Store>,
        listings: &Arc<Listings>,
        buffers: &Arc<Buffers>,
        term: Term,
        path: StoragePath,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            listings: Arc::clone(listings),
            buffers: Arc::clone(buffers),
            term,
            path,
            hash: Sha256::new(),
            crc: Crc64::new(),
            size: 0,
            small: BytesMut::new(),
            part: None,
            parts: None,
            attr: None,
            torn: false,
        }
    }

    fn whole(&self) -> StorageResult<()> {
        if self.torn {
            return Err(self.failed(Failure::new(Kind::Refused, "an earlier piece of this file could not be written")));
        }
        Ok(())
    }

    fn failed(&self, failure: Failure) -> StorageError {
        failure.at("write", self.path.as_str())
    }

    /// MiB of the part that is being gathered.
    fn part_mib(&self) -> usize {
        let sent = self.parts.as_ref().map_or(0, |parts| parts.sent);
        (PART_MIB * (1 + sent / PARTS_OF_ONE_SIZE)).min(PART_MOST_MIB)
    }

    /// Gathers as much of `piece` as goes into the next part.
    async fn gather(&mut self, piece: &mut Bytes) -> StorageResult<()> {
        let mut part = match self.part.take() {
            Some(part) => part,
            None => {
                let part = self.buffers.take(self.part_mib()).await;
                let mut part = part.map_err(|_| self.failed(Failure::new(Kind::Refused, "the storage is closed")))?;
                part.fill(&mut mem::take(&mut self.small).freeze());
                part
            }
        };
        part.fill(piece);
        self.part = Some(part);
        Ok(())
    }

    /// Sends what is gathered as the next part.
    async fn send_part(&mut self) -> Result<(), Failure> {
        let Some(bytes) = self.part.take().map(Buffer::freeze) else { return Ok(()) };
        let mut parts = match self.parts.take() {
            Some(parts) => parts,
            None => Parts {
                upload: self.store.begin_parts(&self.path).await?.into(),
                sent: 0,
                running: JoinSet::new(),
                done: Vec::new(),
            },
        };
        if parts.sent >= PARTS_MOST {
            return Err(Failure::new(Kind::Refused, "the file is larger than 265 GiB, the most this S3 storage takes"));
        }
        while parts.running.len() >= PARTS_AT_ONCE {
            parts.next().await?;
        }
        parts.sent += 1;
        let number = i32::try_from(parts.sent).unwrap_or(i32::MAX);
        let put = part(Arc::clone(&self.store), self.path.clone(), Arc::clone(&parts.upload), number, bytes);
        parts.running.spawn(put);
        self.parts = Some(parts);
        Ok(())
    }

    /// Ends the data: all of it is at its key and proven when this returns.
    async fn finish_data(&mut self) -> Result<(), Failure> {
        let crc64 = self.crc.text();
        if self.parts.is_none() {
            let bytes = match self.part.take() {
                Some(part) => part.freeze(),
                None => mem::take(&mut self.small).freeze(),
            };
            return self.store.put_data(&self.path, bytes, &crc64).await;
        }
        self.send_part().await?;
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        while parts.next().await? {}
        parts.done.sort_unstable_by_key(|part| part.part_number);
        let expected = Expected { path: &self.path, size: self.size, crc64: &crc64 };
        self.store.complete(&parts.upload, parts.done, &expected).await
    }
}

#[async_trait]
impl NewFile for NewS3File {
    async fn write(&mut self, mut piece: Bytes) -> StorageResult<()> {
        self.whole()?;
        // Until this is through: a piece that was not taken, or whose taking was given up, leaves a hole.
        self.torn = true;
        self.size += piece.len() as u64;
        self.hash.update(&piece);
        self.crc.update(&piece);
        while !piece.is_empty() {
            if self.part.is_none() && self.parts.is_none() && self.small.len() + piece.len() <= FREE_BYTES {
                self.small.extend_from_slice(&piece);
                break;
            }
            self.gather(&mut piece).await?;
            // A file of exactly one part is one put.
            let full = self.part.as_ref().is_some_and(Buffer::is_full);
            if full && (self.parts.is_some() || !piece.is_empty()) {
                self.send_part().await.map_err(|failure| self.failed(failure))?;
            }
        }
        self.torn = false;
        Ok(())
    }

    async fn seal(&mut self) -> StorageResult<Sealed> {
        self.whole()?;
        let injected = |source| StorageError::Io { action: "write", path: self.path.to_string(), source };
        failpoint::hit("s3.before_last_data").map_err(injected)?;
        self.finish_data().await.map_err(|failure| self.failed(failure))?;
        let injected = |source| StorageError::Io { action: "write", path: self.path.to_string(), source };
        failpoint::hit("s3.after_data").map_err(injected)?;
        Ok(Sealed { size: self.size, checksum: hex::encode(mem::take(&mut self.hash).finalize()) })
    }

    async fn stage(&mut self, attr: Bytes) -> StorageResult<()> {
        self.attr = Some(attr);
        Ok(())
    }

    async fn publish(mut self: Box<Self>) -> Result<(), PublishError> {
        let Some(attr) = self.attr.take() else {
            let error = StorageError::Missing { path: self.path.attr_path() };
            return Err(PublishError { committed: false, error });
        };
        attrs::create(&self.store, self.term, &self.path, attr).await?;
        self.listings.add(&self.path);
        Ok(())
    }
}
