//! The storage that the configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, S3Config};
use crate::storage::local::LocalStorage;
use crate::storage::s3::{Patience, S3Options, S3Storage};
use crate::storage::{SharedStorage, StorageResult};

/// Opens the storage; with it, the file by which a volume is locked. A bucket has no locks: the catalog's is the one,
/// and conditional writes do the rest.
pub(super) async fn open(config: &Config) -> StorageResult<(SharedStorage, Option<PathBuf>)> {
    if let Some(s3) = &config.storage.s3 {
        return Ok((Arc::new(S3Storage::open(&options(s3)).await?), None));
    }
    let storage = LocalStorage::open(&config.storage.local.path)?;
    let lock = storage.lock_path()?;
    Ok((Arc::new(storage), Some(lock)))
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
