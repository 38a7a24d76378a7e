//! The proof, at each start, that the store honours conditional writes: everything that fences rests on them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::sleep;
use uuid::Uuid;

use super::crc::Crc64;
use super::error::{Failure, Kind};
use super::store::{Condition, Store};
use crate::storage::{StorageError, StorageResult};

/// Writers of one key at once.
const WRITERS: usize = 8;
/// Tries of one question that another write keeps busy.
const TRIES: u32 = 10;

impl Store {
    /// Learns what the store can do, and refuses one that lets a conditional write through.
    pub(super) async fn prove_conditions(&self, allow_unconditional: bool) -> StorageResult<()> {
        let path = format!(".element/conditions-{}", Uuid::new_v4());
        let failed = |failure: Failure| failure.at("prove conditional writes with", path.clone());
        self.learn_crc(&path).await.map_err(failed)?;
        let judged = self.judge(&path).await;
        let removed = self.delete(&path).await;
        let Some(reason) = judged.map_err(failed)? else {
            return removed.map_err(failed);
        };
        if !allow_unconditional {
            return Err(StorageError::Refused {
                reason: format!(
                    "the S3 store does not honour conditional writes ({reason}): two nodes, or one that wakes up late, \
                     could overwrite each other's files. Use a store that does, or, for one node and at your own risk, \
                     set storage.s3.allow_unconditional"
                ),
            });
        }
        tracing::warn!(
            reason,
            "the S3 store does not honour conditional writes; it is used all the same, as configured: never start a \
             second node"
        );
        self.conditional.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the store checks and tells CRC64NVME. One that refuses the header, or does not mention it, is read back.
    async fn learn_crc(&self, path: &str) -> Result<(), Failure> {
        let request = self.clients.small.put_object().bucket(&self.bucket).key(self.key(path));
        let crc64 = Crc64::of(b"crc");
        let request = request.body(Bytes::from_static(b"crc").into()).checksum_crc64_nvme(&crc64);
        let knows = match request.send().await.map_err(Failure::of) {
            Ok(output) => output.checksum_crc64_nvme.is_some_and(|told| told == crc64),
            Err(failure) if failure.is(Kind::Refused) || failure.is(Kind::Unknown) => false,
            Err(failure) => return Err(failure),
        };
        self.knows_crc.store(knows, Ordering::Relaxed);
        self.delete(path).await
    }

    /// Why the store cannot be trusted with conditions, if so.
    async fn judge(&self, path: &str) -> Result<Option<String>, Failure> {
        let puts = (0..WRITERS).map(|_| self.ask(path, &Condition::Absent));
        let mut winners = 0;
        for put in join_all(puts).await {
            match put? {
                Answer::Done => winners += 1,
                Answer::Unmet => {}
                Answer::Unknown => return Ok(Some("it does not know If-None-Match".to_owned())),
            }
        }
        if winners != 1 {
            return Ok(Some(format!("of {WRITERS} writes with If-None-Match to one new key {winners} went through")));
        }
        if !matches!(self.ask(path, &Condition::Absent).await?, Answer::Unmet) {
            return Ok(Some("a write with If-None-Match went through although the object is there".to_owned()));
        }
        let Some(first) = self.get(path).await?.and_then(|object| object.etag) else {
            return Ok(Some("it gives no entity tags".to_owned()));
        };
        match self.ask(path, &Condition::Is(first.clone())).await? {
            Answer::Done => {}
            Answer::Unmet => return Ok(Some("a write with the right If-Match was refused".to_owned())),
            Answer::Unknown => return Ok(Some("it does not know If-Match".to_owned())),
        }
        match self.ask(path, &Condition::Is(first)).await? {
            Answer::Unmet => Ok(None),
            _ => Ok(Some("a write with an outdated If-Match went through".to_owned())),
        }
    }

    async fn ask(&self, path: &str, condition: &Condition) -> Result<Answer, Failure> {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let content = Bytes::from(Uuid::new_v4().to_string());
            match self.put_once(path, content, condition).await {
                Ok(_) => return Ok(Answer::Done),
                Err(failure) if failure.is(Kind::Unmet) => return Ok(Answer::Unmet),
                Err(failure) if failure.is(Kind::Unknown) => return Ok(Answer::Unknown),
                // Another writer of this key is under way: for the one that asks it is the same as a refusal, if it
                // stays so.
                Err(failure) if failure.is(Kind::Busy) && tries > 0 => {
                    sleep(Duration::from_millis(20)).await;
                }
                Err(failure) if failure.is(Kind::Busy) => return Ok(Answer::Unmet),
                Err(failure) => return Err(failure),
            }
        }
    }
}

enum Answer {
    Done,
    Unmet,
    Unknown,
}
