//! Reading files: from the catalog, and from the attr files when the catalog cannot be asked.

use std::ops::Range;

use storage_element_crds::Operation as Wish;
use uuid::Uuid;

use super::{FileError, FileResult, Files, Inner};
use crate::catalog::CatalogError;
use crate::election::Role;
use crate::model::{AttrFile, FileQuery, FileRow, FileStatus, Page, Timestamp};
use crate::storage::{DataStream, StorageError};
use crate::telemetry::metrics::CacheLookup;

impl Files {
    /// One file's metadata. Deleted and blocked files are not found.
    pub async fn metadata(&self, id: Uuid) -> FileResult<FileRow> {
        match self.inner.row(id).await? {
            Some(row) if row.attr.status == FileStatus::Active && row.blocked_by.is_none() => Ok(self.inner.shown(row)),
            _ => Err(FileError::NotFound(id)),
        }
    }

    /// A list or search.
    pub async fn list(&self, query: &FileQuery) -> FileResult<Page> {
        if !self.inner.element.catalog_trusted() {
            return Err(self.inner.no_list());
        }
        let mut page = self.inner.catalog.list(query).await.inspect_err(|error| {
            if matches!(error, CatalogError::Unavailable { .. }) {
                self.inner.element.distrust_catalog();
            }
        })?;
        page.rows = page.rows.into_iter().map(|row| self.inner.shown(row)).collect();
        Ok(page)
    }

    /// One file's metadata for a download; in `ar` [`FileError::Archived`] if it is there.
    pub async fn for_download(&self, id: Uuid) -> FileResult<FileRow> {
        let row = self.metadata(id).await?;
        if self.inner.element.mode().allows(Wish::Download) { Ok(row) } else { Err(FileError::Archived(id)) }
    }

    /// The data of a file in `range`, in pieces of up to 256 KiB.
    pub async fn read(&self, row: &FileRow, range: Range<u64>) -> FileResult<DataStream> {
        self.inner.storage.read(&row.attr.storage_path, range).await.map_err(|error| match error {
            StorageError::Missing { path } => {
                FileError::Internal(format!("the data of file {} is missing at {path}: run verify", row.attr.file_id))
            }
            error => error.into(),
        })
    }
}

impl Inner {
    /// Why nothing can be listed.
    fn no_list(&self) -> FileError {
        if self.element.has_recovered() {
            let reason = "it has not answered, or what was under way is not settled yet; files can be read by id";
            FileError::DatabaseUnavailable(reason.to_owned())
        } else {
            FileError::Recovering("the catalog does not hold all files yet; files can be read by id".to_owned())
        }
    }

    /// A row as callers see it: its retention date is the one that counts.
    pub(super) fn shown(&self, mut row: FileRow) -> FileRow {
        row.attr.retention_until = self.element.retention().effective_until(&row.attr);
        row
    }

    /// A file's row, whatever its status. By-id reads stay on the attr files until settling is done, and go on from
    /// them while the catalog is down.
    async fn row(&self, id: Uuid) -> FileResult<Option<FileRow>> {
        if !self.element.catalog_trusted() {
            return self.row_from_attr(id).await;
        }
        match self.catalog.file(id).await {
            Ok(Some(row)) => Ok(Some(self.fresh(row).await)),
            // A file exists exactly when its attr file does, whatever the cache has missed.
            Ok(None) => match self.missed(id).await? {
                Some(row) => Ok(self.catalog.blocked_by(id).await?.is_none().then_some(row)),
                None => Ok(None),
            },
            Err(CatalogError::Unavailable { .. }) => {
                self.element.distrust_catalog();
                self.row_from_attr(id).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A row the cache does not have.
    async fn missed(&self, id: Uuid) -> FileResult<Option<FileRow>> {
        self.metrics.cache_lookup(CacheLookup::Miss);
        self.row_from_attr(id).await
    }

    /// A row past its time to live is compared with its attr. Whatever cannot be told leaves the row as it is.
    async fn fresh(&self, row: FileRow) -> FileRow {
        let now = Timestamp::now();
        let ttl = if self.element.mode().is_writable() { self.limits.row_ttl } else { self.limits.row_ttl_sealed };
        let age = now.micros().saturating_sub(row.cached_at.micros());
        if i64::try_from(ttl.as_micros()).is_ok_and(|ttl| age < ttl) {
            self.metrics.cache_lookup(CacheLookup::Hit);
            return row;
        }
        self.metrics.cache_lookup(CacheLookup::Refresh);
        let Ok(Some(found)) = self.storage.attr(&row.attr.storage_path).await else { return row };
        let Ok(AttrFile::Attr(attr)) = AttrFile::parse(&found.bytes) else { return row };
        if attr.file_id != row.attr.file_id || attr.revision < row.attr.revision {
            return row;
        }
        let row = FileRow { attr: *attr, cached_at: now, damaged: false, ..row };
        // A standby that froze in the middle would keep the master from the row.
        if self.election.role() == Role::Standby {
            return row;
        }
        if let Err(error) = self.catalog.refresh(row.clone()).await {
            tracing::debug!(%error, "a row past its time to live could not be refreshed");
        }
        row
    }

    async fn row_from_attr(&self, id: Uuid) -> FileResult<Option<FileRow>> {
        let Some(found) = self.storage.find_attr(id).await? else { return Ok(None) };
        let attr = AttrFile::parse(&found.bytes)
            .map_err(|error| FileError::AttrInvalid { file_id: id, reason: error.to_string() })?
            .into_attr();
        Ok(attr.filter(|attr| attr.file_id == id).map(|attr| FileRow {
            attr,
            cached_at: Timestamp::now(),
            damaged: false,
            blocked_by: None,
        }))
    }
}
