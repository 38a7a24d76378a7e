//! `.element/claim`: who serves this prefix, written with conditions.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::store::{Condition, Object, Store, Written};
use crate::storage::{ClaimPlace, Claimed, Replaced, StorageResult};

const PATH: &str = ".element/claim";

/// The object.
pub(super) struct ClaimObject(pub(super) Arc<Store>);

impl From<Object> for Claimed {
    fn from(object: Object) -> Self {
        Self { bytes: object.bytes, tag: object.etag }
    }
}

#[async_trait]
impl ClaimPlace for ClaimObject {
    fn name(&self) -> String {
        format!("s3://{}/{}", self.0.bucket, self.0.key(PATH))
    }

    async fn look(&self) -> StorageResult<Option<Claimed>> {
        let found = self.0.get(PATH).await.map_err(|failure| failure.at("read", PATH))?;
        Ok(found.map(Claimed::from))
    }

    async fn replace(&self, seen: Option<&Claimed>, bytes: Bytes) -> StorageResult<Replaced> {
        let condition = match seen.map(|seen| seen.tag.clone()) {
            None => Condition::Absent,
            // A store that gives no tags was refused before, unless a person has said to go on.
            Some(tag) => Condition::Is(tag.unwrap_or_default()),
        };
        match self.0.put_if(PATH, bytes.clone(), condition).await {
            Ok(Written::Done(tag)) => Ok(Replaced::Done(Claimed { bytes, tag })),
            Ok(Written::Unmet(found)) => Ok(Replaced::Otherwise(found.map(Claimed::from))),
            Err(refused) => Err(refused.failure.at("write", PATH)),
        }
    }
}
