//! A place in a storage where processes say that they serve it, for storages that no lock of a system reaches.

use async_trait::async_trait;
use bytes::Bytes;

use super::StorageResult;

/// What stands at the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// What was written.
    pub bytes: Bytes,
    /// Tells this writing from every other one.
    pub tag: Option<String>,
}

/// What became of an attempt to replace what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It was replaced.
    Done(Claimed),
    /// Something else stood there: this, or nothing.
    Otherwise(Option<Claimed>),
}

/// The place.
#[async_trait]
pub trait ClaimPlace: Send + Sync + 'static {
    /// What it is called, for people.
    fn name(&self) -> String;

    /// What stands there.
    async fn look(&self) -> StorageResult<Option<Claimed>>;

    /// Writes `bytes` where `seen` stands, or where nothing does, and nowhere else. No two writings may be alike: that is
    /// how one whose answer was lost is known again.
    async fn replace(&self, seen: Option<&Claimed>, bytes: Bytes) -> StorageResult<Replaced>;
}
