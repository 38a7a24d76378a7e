//! The storage that the configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, S3Config};
use crate::storage::local::LocalStorage;
use crate::storage::s3::{Patience, S3Options, S3Storage};
use crate::storage::{ClaimPlace, SharedStorage, StorageResult};

/// By what processes keep each other from a storage.
pub(super) enum Guard {
    /// The file by which a volume is locked.
    File(PathBuf),
    /// A bucket has no locks: who serves it says so there.
    Claim(Arc<dyn ClaimPlace>),
}

impl Guard {
    /// The file to lock, if it is one.
    pub(super) fn file(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.clone()),
            Self::Claim(_) => None,
        }
    }
}

/// Opens the storage.
pub(super) async fn open(config: &Config) -> StorageResult<(SharedStorage, Guard)> {
    if let Some(s3) = &config.storage.s3 {
        let storage = S3Storage::open(&options(s3)).await?;
        let place = storage.claim_place();
        return Ok((Arc::new(storage), Guard::Claim(place)));
    }
    let storage = LocalStorage::open(&config.storage.local.path)?;
    let lock = storage.lock_path()?;
    Ok((Arc::new(storage), Guard::File(lock)))
}

fn options(config: &S3Config) -> S3Options {
    S3Options {
        bucket: config.bucket.clone(),
        prefix: config.prefix.clone(),
        region: config.region.clone(),
        endpoint: config.endpoint.clone(),
        force_path_style: config.force_path_style,
        ca_file: config.ca_file.clone(),
        credential_files: config.access_key_id_file.clone().zip(config.secret_access_key_file.clone()),
        allow_unconditional: config.allow_unconditional,
        patience: Patience::default(),
    }
}
