//! Setting aside data that nobody knows: a copy below `.quarantine/`, then the removal.

use std::ops::Range;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::{Failure, Kind};
use super::store::Store;
use crate::model::StoragePath;
use crate::storage::{StorageError, StorageResult};

/// The most a store copies at once.
const COPY_MOST_BYTES: u64 = 5 * 1024 * 1024 * 1024;
/// What is copied at once of larger objects.
const COPY_PART_BYTES: u64 = 1024 * 1024 * 1024;
/// Characters that need no escape in the name of a copy's source.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Moves data aside. False when it is gone.
pub(super) async fn set_aside(store: &Store, path: &StoragePath) -> StorageResult<bool> {
    let moved = copy_and_remove(store, path).await;
    moved.map_err(|failure: Failure| -> StorageError { failure.at("move to .quarantine/", path.as_str()) })
}

async fn copy_and_remove(store: &Store, path: &StoragePath) -> Result<bool, Failure> {
    let Some(head) = store.head(path.as_str()).await? else { return Ok(false) };
    let aside = format!(".quarantine/{path}");
    let source = format!("{}/{}", store.bucket, store.key(path.as_str()));
    let source = utf8_percent_encode(&source, PLAIN).to_string();
    if head.size <= COPY_MOST_BYTES {
        let copy = store.clients.bulk.copy_object().bucket(&store.bucket).key(store.key(&aside)).copy_source(source);
        match copy.send().await.map_err(Failure::of) {
            Ok(_) => {}
            Err(failure) if failure.is(Kind::Missing) => return Ok(false),
            Err(failure) => return Err(failure),
        }
    } else {
        copy_in_parts(store, &source, &aside, head.size).await?;
    }
    // Nothing is removed whose copy has not been seen.
    if store.head(&aside).await?.is_none_or(|copy| copy.size != head.size) {
        return Err(Failure::new(Kind::Refused, "the copy is not there, or of another size"));
    }
    store.delete(path.as_str()).await?;
    Ok(true)
}

async fn copy_in_parts(store: &Store, source: &str, aside: &str, size: u64) -> Result<(), Failure> {
    let (client, key) = (&store.clients.bulk, store.key(aside));
    let begun = client.create_multipart_upload().bucket(&store.bucket).key(&key).send().await.map_err(Failure::of)?;
    let upload = begun.upload_id.unwrap_or_default();
    let mut parts = Vec::new();
    for (number, Range { start, end }) in (1..).zip(ranges(size)) {
        let copy = client.upload_part_copy().bucket(&store.bucket).key(&key).upload_id(&upload).part_number(number);
        let copy = copy.copy_source(source).copy_source_range(format!("bytes={start}-{}", end - 1));
        let copied = copy.send().await.map_err(Failure::of)?.copy_part_result;
        let etag = copied.and_then(|copied| copied.e_tag);
        parts.push(CompletedPart::builder().part_number(number).set_e_tag(etag).build());
    }
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = client.complete_multipart_upload().bucket(&store.bucket).key(&key).upload_id(&upload);
    complete.multipart_upload(parts).send().await.map_err(Failure::of).map(|_| ())
}

fn ranges(size: u64) -> impl Iterator<Item = Range<u64>> {
    (0..size.div_ceil(COPY_PART_BYTES)).map(move |part| {
        let start = part * COPY_PART_BYTES;
        start..(start + COPY_PART_BYTES).min(size)
    })
}
