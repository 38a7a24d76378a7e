//! Data on its way to its final key: one put for small files, parts for large ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::sleep;

use super::crc::Crc64;
use super::error::{Failure, Kind};
use super::reading;
use super::store::Store;
use crate::model::StoragePath;

/// How a whole object is known to be what was sent.
pub(super) struct Expected<'a> {
    pub(super) path: &'a StoragePath,
    pub(super) size: u64,
    pub(super) crc64: &'a str,
}

impl Store {
    /// Puts a file's whole data. Repeating it is harmless: nobody else writes this key, and the bytes are the same.
    pub(super) async fn put_data(&self, path: &StoragePath, bytes: Bytes, crc64: &str) -> Result<(), Failure> {
        let size = bytes.len() as u64;
        let mut request = self.clients.bulk.put_object().bucket(&self.bucket).key(self.key(path.as_str()));
        let knows_crc = self.knows_crc.load(Ordering::Relaxed);
        if knows_crc {
            request = request.checksum_crc64_nvme(crc64);
        }
        let request = request.body(ByteStream::from(bytes)).customize();
        let request = if self.clients.encrypted && knows_crc { request.disable_payload_signing() } else { request };
        let output = request.send().await.map_err(Failure::of)?;
        self.prove(&Expected { path, size, crc64 }, output.checksum_crc64_nvme).await
    }

    /// Begins a multipart upload.
    pub(super) async fn begin_parts(&self, path: &StoragePath) -> Result<String, Failure> {
        let mut request =
            self.clients.small.create_multipart_upload().bucket(&self.bucket).key(self.key(path.as_str()));
        if self.knows_crc.load(Ordering::Relaxed) {
            request = request.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject);
        }
        let output = request.send().await.map_err(Failure::of)?;
        output.upload_id.ok_or_else(|| Failure::new(Kind::Refused, "the store gave the upload no id"))
    }

    /// Puts one part.
    pub(super) async fn put_part(
        &self,
        path: &StoragePath,
        upload: &str,
        number: i32,
        bytes: Bytes,
    ) -> Result<CompletedPart, Failure> {
        let knows_crc = self.knows_crc.load(Ordering::Relaxed);
        let crc64 = knows_crc.then(|| Crc64::of(&bytes));
        let request = self
            .clients
            .bulk
            .upload_part()
            .bucket(&self.bucket)
            .key(self.key(path.as_str()))
            .upload_id(upload)
            .part_number(number)
            .set_checksum_crc64_nvme(crc64.clone())
            .body(ByteStream::from(bytes))
            .customize();
        let request = if self.clients.encrypted && knows_crc { request.disable_payload_signing() } else { request };
        let output = request.send().await.map_err(Failure::of)?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(output.e_tag).set_checksum_crc64_nvme(crc64);
        Ok(part.build())
    }

    /// Ends a multipart upload. An answer that was lost is settled by a look at the object.
    pub(super) async fn complete(
        &self,
        upload: &str,
        parts: Vec<CompletedPart>,
        expected: &Expected<'_>,
    ) -> Result<(), Failure> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let mut tries = self.patience.tries;
        loop {
            tries -= 1;
            let mut request = self
                .clients
                .bulk
                .complete_multipart_upload()
                .bucket(&self.bucket)
                .key(self.key(expected.path.as_str()))
                .upload_id(upload)
                .multipart_upload(parts.clone());
            if self.knows_crc.load(Ordering::Relaxed) {
                request = request.checksum_crc64_nvme(expected.crc64).checksum_type(ChecksumType::FullObject);
            }
            let failure = match request.send().await.map_err(Failure::of) {
                Ok(output) => return self.prove(expected, output.checksum_crc64_nvme).await,
                Err(failure) => failure,
            };
            // An upload that is not there any more may be one that was completed and whose answer was lost.
            if !(failure.is(Kind::Open) || failure.is(Kind::Missing) || failure.is(Kind::Busy)) {
                return Err(failure);
            }
            if self.head(expected.path.as_str()).await?.is_some_and(|head| head.size == expected.size) {
                return self.prove(expected, None).await;
            }
            if failure.is(Kind::Missing) || tries == 0 {
                return Err(failure);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Compares the whole object with what was sent: by the checksum the store tells, else by reading it back.
    async fn prove(&self, expected: &Expected<'_>, told: Option<String>) -> Result<(), Failure> {
        let told = match told {
            Some(told) => Some(told),
            None if self.knows_crc.load(Ordering::Relaxed) => {
                self.head(expected.path.as_str()).await?.and_then(|head| head.crc64)
            }
            None => None,
        };
        let found = match told {
            Some(told) => told,
            None => self.read_back(expected).await?,
        };
        if found == expected.crc64 {
            return Ok(());
        }
        let message = format!("its CRC64NVME is {found} in the store, {} was sent", expected.crc64);
        Err(Failure::new(Kind::Refused, message))
    }

    async fn read_back(&self, expected: &Expected<'_>) -> Result<String, Failure> {
        let mut crc = Crc64::new();
        let mut data = reading::pieces(self.reader(expected.path, 0..expected.size));
        while let Some(piece) = data.next().await {
            crc.update(&piece.map_err(|error| Failure::new(Kind::Open, error.to_string()))?);
        }
        Ok(crc.text())
    }

    /// Ends every multipart upload of one key, so that none can be completed any more and none is paid for.
    pub(super) async fn abort_uploads(&self, path: Option<&StoragePath>) -> Result<u64, Failure> {
        let prefix = self.key(path.map_or("", StoragePath::as_str));
        let (mut key_marker, mut id_marker, mut aborted) = (None, None, 0);
        loop {
            let request = self.clients.small.list_multipart_uploads().bucket(&self.bucket).prefix(&prefix);
            let request = request.set_key_marker(key_marker).set_upload_id_marker(id_marker);
            let page = match request.send().await.map_err(Failure::of) {
                Ok(page) => page,
                Err(failure) if failure.is(Kind::Missing) => return Ok(aborted),
                Err(failure) => return Err(failure),
            };
            for upload in page.uploads.unwrap_or_default() {
                let (Some(key), Some(id)) = (upload.key, upload.upload_id) else { continue };
                if path.is_some() && key != prefix {
                    continue;
                }
                let abort = self.clients.small.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(id);
                match abort.send().await.map_err(Failure::of) {
                    Ok(_) => aborted += 1,
                    Err(failure) if failure.is(Kind::Missing) => {}
                    Err(failure) => return Err(failure),
                }
            }
            if page.is_truncated != Some(true) || page.next_key_marker.is_none() {
                return Ok(aborted);
            }
            (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }
}

/// A part that was put, or why not, with its place in the file.
pub(super) type PartPut = Result<CompletedPart, Failure>;

/// Puts one part as a task of its own.
pub(super) async fn part(store: Arc<Store>, path: StoragePath, upload: Arc<str>, number: i32, bytes: Bytes) -> PartPut {
    store.put_part(&path, &upload, number, bytes).await
}
