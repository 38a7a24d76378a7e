//! Credentials from two files, as a mounted Secret has them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use crate::storage::{StorageError, StorageResult};

#[derive(Clone)]
pub(super) struct CredentialFiles {
    id: PathBuf,
    secret: PathBuf,
    /// What was read is used so long, then the files are looked at again.
    read_again_after: Duration,
}

impl std::fmt::Debug for CredentialFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialFiles").finish_non_exhaustive()
    }
}

impl CredentialFiles {
    /// Takes the files if both can be read now.
    pub(super) fn open(id: &Path, secret: &Path, read_again_after: Duration) -> StorageResult<Self> {
        let files = Self { id: id.to_owned(), secret: secret.to_owned(), read_again_after };
        files.read().map(|_| files)
    }

    fn read(&self) -> StorageResult<Credentials> {
        let read = |path: &Path| {
            let failed = |source| {
                let path = path.display().to_string();
                StorageError::Io { action: "read the credentials in", path, source }
            };
            let text = std::fs::read_to_string(path).map_err(failed)?;
            let text = text.trim();
            if text.is_empty() { Err(failed(std::io::Error::other("it is empty"))) } else { Ok(text.to_owned()) }
        };
        let until = SystemTime::now() + self.read_again_after;
        Ok(Credentials::new(read(&self.id)?, read(&self.secret)?, None, Some(until), "files"))
    }
}

impl ProvideCredentials for CredentialFiles {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let read = self.read().map_err(CredentialsError::provider_error);
        future::ProvideCredentials::ready(read)
    }
}
