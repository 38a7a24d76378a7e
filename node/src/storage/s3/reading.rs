//! Data, read in pieces, and read on where an answer breaks off.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::{sleep, timeout};

use super::client::Patience;
use super::error::{Failure, Kind};
use super::store::Store;
use crate::model::StoragePath;
use crate::storage::{DataStream, StorageError, StorageResult};

/// The largest piece handed on.
const PIECE_BYTES: usize = 256 * 1024;
/// After so many bytes without a break an earlier one is forgotten: a download of a day may see more than a few.
const FORGIVEN_AFTER_BYTES: u64 = 8 * 1024 * 1024;
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// An object being read from one place on.
pub(super) struct Reader {
    client: Client,
    bucket: String,
    key: String,
    path: String,
    patience: Patience,
    next: u64,
    end: u64,
    /// The version that is being read: another one is not read on.
    etag: Option<String>,
    body: Option<ByteStream>,
    held: Bytes,
    breaks: u32,
    since_break: u64,
}

impl Store {
    /// Reads `range` of the data at `path`. Nothing is asked before the first piece is.
    pub(super) fn reader(&self, path: &StoragePath, range: Range<u64>) -> Reader {
        Reader {
            client: self.clients.small.clone(),
            bucket: self.bucket.clone(),
            key: self.key(path.as_str()),
            path: path.to_string(),
            patience: self.patience,
            next: range.start,
            end: range.end.max(range.start),
            etag: None,
            body: None,
            held: Bytes::new(),
            breaks: 0,
            since_break: 0,
        }
    }
}

/// The data in `range`. The first piece is read before this returns, so that a file that is not there or too short is
/// an error and not a broken answer.
pub(super) async fn stream(store: &Store, path: &StoragePath, range: Range<u64>) -> StorageResult<DataStream> {
    if range.is_empty() {
        let head = store.head(path.as_str()).await.map_err(|failure| failure.at("look at", path.as_str()))?;
        return match head {
            Some(_) => Ok(stream::empty().boxed()),
            None => Err(StorageError::Missing { path: path.to_string() }),
        };
    }
    let mut reader = store.reader(path, range);
    let first = reader.piece().await?;
    Ok(stream::iter(first.map(Ok)).chain(pieces(reader)).boxed())
}

/// What is left to read, as a stream: nothing is asked for before it is wanted.
pub(super) fn pieces(reader: Reader) -> DataStream {
    stream::try_unfold(reader, |mut reader| async move { Ok(reader.piece().await?.map(|piece| (piece, reader))) })
        .boxed()
}

impl Reader {
    async fn piece(&mut self) -> StorageResult<Option<Bytes>> {
        loop {
            if self.next >= self.end {
                return Ok(None);
            }
            if !self.held.is_empty() {
                let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
                let piece = self.held.split_to(self.held.len().min(PIECE_BYTES).min(left));
                self.next += piece.len() as u64;
                return Ok(Some(piece));
            }
            match self.receive().await {
                Ok(bytes) => {
                    self.since_break += bytes.len() as u64;
                    self.held = bytes;
                }
                Err(failure) if failure.is(Kind::Open) => self.broken(failure).await?,
                Err(failure) if failure.is(Kind::Missing) => {
                    return Err(StorageError::Missing { path: self.path.clone() });
                }
                Err(failure) if failure.is(Kind::OutOfRange) => {
                    let source =
                        io::Error::new(ErrorKind::UnexpectedEof, "the file is shorter than its description says");
                    return Err(StorageError::Io { action: "read", path: self.path.clone(), source });
                }
                Err(failure) => return Err(failure.at("read", self.path.clone())),
            }
        }
    }

    /// The next bytes of the running answer, or of a new one from where the last one ended.
    async fn receive(&mut self) -> Result<Bytes, Failure> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let body = self.ask().await?;
                self.body.insert(body)
            }
        };
        match timeout(self.patience.stall, body.try_next()).await {
            Ok(Ok(Some(bytes))) => Ok(bytes),
            Ok(Ok(None)) => Err(Failure::new(Kind::Open, "the store's answer ended early")),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Failure::new(Kind::Open, "the store's answer stalled")),
        }
    }

    async fn ask(&mut self) -> Result<ByteStream, Failure> {
        let request = self.client.get_object().bucket(&self.bucket).key(&self.key);
        let request = request.range(format!("bytes={}-{}", self.next, self.end - 1)).set_if_match(self.etag.clone());
        let output = request.send().await.map_err(Failure::of)?;
        let starts = format!("bytes {}-", self.next);
        let right = output.content_range.as_ref().map_or(self.next == 0, |range| range.starts_with(&starts));
        if !right {
            return Err(Failure::new(Kind::Refused, "the store answered with another range than was asked for"));
        }
        self.etag = output.e_tag;
        Ok(output.body)
    }

    async fn broken(&mut self, failure: Failure) -> StorageResult<()> {
        self.body = None;
        if self.since_break >= FORGIVEN_AFTER_BYTES {
            self.breaks = 0;
        }
        self.since_break = 0;
        self.breaks += 1;
        if self.breaks > self.patience.tries {
            return Err(failure.at("read", self.path.clone()));
        }
        tracing::debug!(
            path = self.path,
            at = self.next,
            ?failure,
            "a download from the store broke off; it is read on"
        );
        sleep(RETRY_FIRST * self.breaks).await;
        Ok(())
    }
}
