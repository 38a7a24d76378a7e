//! A node in this process, opened as `serve` opens one, on a prefix of a bucket.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage_element_crds::Mode;
use storage_node::catalog::SharedCatalog;
use storage_node::catalog::sqlite::{SqliteCatalog, SqliteOptions};
use storage_node::election::lock::LockElection;
use storage_node::element::{Adoption, CapacityRules, Element, ElementParts, RetentionRules, Threshold};
use storage_node::files::{
    FileError, FileLimits, FileResult, Files, FilesParts, Patch, Upload, UploadFields, UploadStart,
};
use storage_node::jobs::{self, Progress, VerifyOptions};
use storage_node::model::{AttrFile, FileIds, FileRow, StoragePath, Term};
use storage_node::security::{Caller, Role};
use storage_node::settling::{KeyLocks, Live, Settler, Successor, take_over};
use storage_node::storage::SharedStorage;
use storage_node::storage::s3::{Patience, S3Options, S3Storage};
use storage_node::telemetry::metrics::Metrics;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::stores::{Bucket, Proxy, bucket, fresh_prefix};

/// Where an element lives: a prefix behind a proxy, and a catalog.
pub struct Ground {
    folder: TempDir,
    pub bucket: Bucket,
    pub prefix: String,
    pub proxy: Proxy,
}

impl Ground {
    pub async fn new() -> Self {
        let bucket = bucket().await;
        let proxy = Proxy::start(&bucket).await;
        Self { folder: tempfile::tempdir().unwrap(), bucket, prefix: fresh_prefix(), proxy }
    }

    fn options(&self) -> S3Options {
        let options = self.bucket.options(&self.proxy.endpoint(), &self.prefix);
        let short = Duration::from_millis(700);
        S3Options { patience: Patience { answer: short, data: short, stall: short, ..Patience::default() }, ..options }
    }

    /// Starts a node that settles what was left and takes writes.
    pub async fn start(&self) -> Node {
        let storage: SharedStorage = Arc::new(S3Storage::open(&self.options()).await.unwrap());
        let path = self.folder.path().join("catalog.sqlite");
        let catalog: SharedCatalog = Arc::new(SqliteCatalog::open(&path, SqliteOptions::default()).await.unwrap());
        catalog.migrate().await.unwrap();
        let successor = Successor {
            holder: "the test".to_owned(),
            address: None,
            above: 0,
            initial_mode: Mode::Edit,
            expected_id: None,
            adoption: Adoption::Always,
        };
        let taken_over = take_over(storage.as_ref(), catalog.as_ref(), &successor).await.unwrap();
        // Two nodes at once is what some tests are about.
        let lock = self.folder.path().join(format!("lock-{}", Uuid::new_v4()));
        let election = Arc::new(LockElection::acquire(&[lock]).unwrap());
        let (live, locks) = (Arc::new(Live::default()), Arc::new(KeyLocks::default()));
        let metrics = Arc::new(Metrics::new("0.0.0").unwrap());
        let settler = Settler::new(storage.clone(), catalog.clone(), live.clone(), locks.clone(), metrics.clone());
        let round = settler.round(taken_over.term).await.unwrap();
        assert!(round.is_clean(), "{round:?}");
        storage.empty_trash().await.unwrap();
        let parts = ElementParts {
            storage: storage.clone(),
            catalog: catalog.clone(),
            election: election.clone(),
            configured_mode: None,
            rules: NO_CAPACITY_RULES,
            retention: RetentionRules::default(),
        };
        let element = Arc::new(Element::new(parts, taken_over.file.clone(), taken_over.term));
        let limits = FileLimits {
            file_bytes: Some(64 << 20),
            concurrent_uploads: 100,
            row_ttl: Duration::from_hours(24),
            row_ttl_sealed: Duration::from_hours(24),
        };
        let files = Files::new(FilesParts {
            storage: storage.clone(),
            catalog: catalog.clone(),
            election,
            element: element.clone(),
            live,
            locks: locks.clone(),
            settler: settler.clone(),
            ids: FileIds::default(),
            limits,
            metrics,
        });
        element.recovered();
        Node { storage, catalog, element, files, settler, locks, term: taken_over.term }
    }
}

const NEVER: Threshold = Threshold { percent: 0.0, bytes: 0, most_percent: 0.0 };
const NO_CAPACITY_RULES: CapacityRules =
    CapacityRules { quota_bytes: None, warning: NEVER, critical: NEVER, full: NEVER, critical_max_file_bytes: 0 };

pub struct Node {
    pub storage: SharedStorage,
    pub catalog: SharedCatalog,
    pub element: Arc<Element>,
    pub files: Files,
    pub settler: Settler,
    pub locks: Arc<KeyLocks<Uuid>>,
    pub term: Term,
}

impl Node {
    pub async fn begun(&self, key: Option<&str>) -> FileResult<Box<Upload>> {
        let UploadStart::Begin(mut upload) = self.files.start_upload(&caller(), None, key).await? else {
            return Err(FileError::Internal("a replay".to_owned()));
        };
        upload.begin_file("a paper.txt", Some("text/plain")).await?;
        Ok(upload)
    }

    pub async fn upload(&self, data: &[u8], fields: UploadFields) -> FileResult<FileRow> {
        let mut upload = self.begun(None).await?;
        for piece in data.chunks(100_000) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
        }
        upload.finish(fields).await
    }

    pub async fn describe(&self, id: Uuid, text: &str) -> FileResult<FileRow> {
        let patch = Patch { description: Some(Some(text.to_owned())), ..Patch::default() };
        self.files.update(&caller(), id, patch, &|_| Ok(())).await
    }

    /// The path that the only open row names.
    pub async fn announced(&self) -> StoragePath {
        let query = storage_node::catalog::WalQuery {
            statuses: vec![storage_node::model::WalStatus::Pending],
            files_only: true,
            after: None,
            limit: 10,
        };
        let rows = self.catalog.wal(&query).await.unwrap();
        assert_eq!(rows.len(), 1, "{rows:?}");
        StoragePath::new(rows[0].operation_data["storage_path"].as_str().unwrap()).unwrap()
    }

    /// Waits until nothing is on its way.
    pub async fn quiet(&self) {
        for _ in 0..1000 {
            let pending = self.catalog.wal_pending().await.unwrap();
            if (pending.pending, pending.failed, self.element.gate().inside()) == (0, 0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("something is still on its way");
    }

    /// Nothing of the file is anywhere.
    pub async fn is_absent(&self, path: &StoragePath) {
        assert_eq!(self.storage.attr(path).await.unwrap(), None);
        assert_eq!(self.storage.data_stat(path).await.unwrap(), None);
    }

    /// Row, attr and data say the same.
    pub async fn is_whole(&self, row: &FileRow, data: &[u8]) {
        let attr = self.storage.attr(&row.attr.storage_path).await.unwrap().unwrap();
        assert_eq!(AttrFile::parse(&attr.bytes).unwrap().into_attr().unwrap(), row.attr);
        assert_eq!(self.files.metadata(row.attr.file_id).await.unwrap().attr, row.attr);
        let stream = self.files.read(row, 0..data.len() as u64).await.unwrap();
        let pieces: Vec<Bytes> = futures_util::TryStreamExt::try_collect(stream).await.unwrap();
        assert!(pieces.concat() == data, "other bytes");
    }

    /// Storage and catalog agree on everything.
    pub async fn is_clean(&self) {
        self.quiet().await;
        let options = VerifyOptions { deep: true, ..VerifyOptions::default() };
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let mut findings = Vec::new();
        let mut tell = |finding| findings.push(finding);
        jobs::verify(&self.storage, &self.catalog, &self.locks, options, &progress, &cancel, &mut tell).await.unwrap();
        assert_eq!(findings, Vec::new());
    }
}

pub fn caller() -> Caller {
    Caller { id: "u-1".to_owned(), username: "ann".to_owned(), full_name: None, role: Some(Role::Operator) }
}
