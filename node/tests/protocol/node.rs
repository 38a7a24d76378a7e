//! A node in this process: opened as `serve` opens one, on a folder, with a catalog that can be made to fail.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use storage_node::catalog::SharedCatalog;
use storage_node::election::lock::LockElection;
use storage_node::election::{Election, MastershipLost, Role};
use storage_node::element::{CapacityRules, Element, ElementParts, RetentionRules, Threshold};
use storage_node::files::{FileError, FileLimits, FileResult, Files, FilesParts, Upload, UploadFields, UploadStart};
use storage_node::jobs::{self, Finding, Progress, RebuildReport, VerifyOptions, VerifyReport};
use storage_node::model::{AttrFile, FileIds, FileRow, StoragePath, Term, TransactionId, WalStatus};
use storage_node::security::{Caller, Role as TokenRole};
use storage_node::settling::{KeyLocks, Live, Round, Settler, TakenOver};
use storage_node::storage::SharedStorage;
use storage_node::telemetry::metrics::Metrics;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::faulty::{Faults, Faulty};
use crate::ground::{Ground, names_in};

impl Ground {
    /// Starts a node that settles what was left and takes writes.
    pub async fn start(&self) -> Node {
        let node = self.start_closed().await;
        node.settle().await;
        node.element.recovered();
        node
    }

    /// Starts a node that has begun its term and settled nothing yet.
    pub async fn start_closed(&self) -> Node {
        let storage = self.storage();
        let locked = LockElection::acquire(&[storage.lock_path().unwrap()]).unwrap();
        let election = Arc::new(TestElection { _locked: locked, lost: std::sync::OnceLock::new() });
        let storage: SharedStorage = Arc::new(storage);
        let faults = Arc::new(Faults::default());
        let inner: SharedCatalog = Arc::new(self.catalog().await);
        let catalog: SharedCatalog = Arc::new(Faulty { inner, faults: Arc::clone(&faults) });
        let taken_over = self.take_over(storage.as_ref(), catalog.as_ref()).await.unwrap();
        let (live, locks) = (Arc::new(Live::default()), Arc::new(KeyLocks::default()));
        let settler =
            Settler::new(Arc::clone(&storage), Arc::clone(&catalog), Arc::clone(&live), Arc::clone(&locks), metrics());
        let element = Arc::new(Element::new(
            ElementParts {
                storage: Arc::clone(&storage),
                catalog: Arc::clone(&catalog),
                election: Arc::clone(&election) as Arc<dyn Election>,
                configured_mode: None,
                rules: NO_CAPACITY_RULES,
                retention: RetentionRules::default(),
            },
            taken_over.file.clone(),
            taken_over.term,
        ));
        let ids = FileIds::default();
        if let Some(highest) = catalog.highest_file_id().await.unwrap() {
            ids.raise_to(highest);
        }
        let files = Files::new(FilesParts {
            storage: Arc::clone(&storage),
            catalog: Arc::clone(&catalog),
            election: Arc::clone(&election) as Arc<dyn Election>,
            element: Arc::clone(&element),
            live: Arc::clone(&live),
            locks: Arc::clone(&locks),
            settler: settler.clone(),
            ids,
            limits: FileLimits {
                file_bytes: Some(8 << 20),
                concurrent_uploads: 150,
                row_ttl: Duration::from_hours(24),
                row_ttl_sealed: Duration::from_hours(168),
            },
            metrics: metrics(),
        });
        Node {
            volume: self.volume(),
            storage,
            catalog,
            faults,
            election,
            element,
            files,
            settler,
            live,
            locks,
            taken_over,
        }
    }
}

pub fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new("0.0.0").unwrap())
}

const NEVER: Threshold = Threshold { percent: 0.0, bytes: 0, most_percent: 0.0 };
const NO_CAPACITY_RULES: CapacityRules =
    CapacityRules { quota_bytes: None, warning: NEVER, critical: NEVER, full: NEVER, critical_max_file_bytes: 0 };

/// The lock, until a test takes the mastership away.
pub struct TestElection {
    _locked: LockElection,
    pub lost: std::sync::OnceLock<MastershipLost>,
}

impl Election for TestElection {
    fn role(&self) -> Role {
        Role::Standalone
    }

    fn holder(&self) -> String {
        "the test".to_owned()
    }

    fn check(&self) -> Result<(), MastershipLost> {
        self.lost.get().cloned().map_or(Ok(()), Err)
    }
}

pub struct Node {
    volume: PathBuf,
    pub storage: SharedStorage,
    pub catalog: SharedCatalog,
    pub faults: Arc<Faults>,
    pub election: Arc<TestElection>,
    pub element: Arc<Element>,
    pub files: Files,
    pub settler: Settler,
    pub live: Arc<Live>,
    pub locks: Arc<KeyLocks<Uuid>>,
    pub taken_over: TakenOver,
}

impl Node {
    pub fn term(&self) -> Term {
        self.taken_over.term
    }

    /// Ends like a killed process: nothing is cleaned up.
    pub async fn kill(self) {
        self.catalog.close().await;
    }

    pub async fn settle(&self) -> Round {
        let round = self.settler.round(self.term()).await.unwrap();
        if round.is_clean() {
            self.storage.empty_trash().await.unwrap();
        }
        round
    }

    pub async fn begin(&self, key: Option<&str>) -> FileResult<Box<Upload>> {
        match self.files.start_upload(&caller(), None, key).await? {
            UploadStart::Begin(upload) => Ok(upload),
            UploadStart::Replay(row) => Err(FileError::Internal(format!("replay of {}", row.attr.file_id))),
        }
    }

    /// An upload with all its data sent.
    pub async fn sent(&self, data: &[u8], key: Option<&str>) -> FileResult<Box<Upload>> {
        let mut upload = self.begin(key).await?;
        upload.begin_file("a paper.txt", Some("text/plain")).await?;
        for piece in data.chunks(100_000) {
            upload.write(Bytes::copy_from_slice(piece)).await?;
        }
        Ok(upload)
    }

    pub async fn upload(&self, data: &[u8], fields: UploadFields) -> FileResult<FileRow> {
        self.sent(data, None).await?.finish(fields).await
    }

    pub async fn uploaded(&self, data: &[u8]) -> FileRow {
        self.upload(data, UploadFields::default()).await.unwrap()
    }

    pub async fn status(&self, tx: TransactionId) -> Option<WalStatus> {
        self.catalog.wal_row(tx).await.unwrap().map(|row| row.status)
    }

    /// The row, the attr file and the data all say the same.
    pub async fn is_whole(&self, row: &FileRow, data: &[u8]) {
        let on_disk = self.storage.attr(&row.attr.storage_path).await.unwrap().unwrap();
        assert_eq!(AttrFile::parse(&on_disk.bytes).unwrap().into_attr().as_ref(), Some(&row.attr));
        assert_eq!(self.files.metadata(row.attr.file_id).await.unwrap().attr, row.attr);
        assert_eq!(self.catalog.file(row.attr.file_id).await.unwrap().unwrap().attr, row.attr);
        assert!(fs::read(self.volume.join(row.attr.storage_path.as_str())).unwrap() == data, "other bytes");
    }

    /// Nothing of the file is anywhere.
    pub async fn is_absent(&self, id: Uuid, path: &StoragePath) {
        assert!(matches!(self.files.metadata(id).await, Err(FileError::NotFound(_))));
        assert_eq!(self.catalog.file(id).await.unwrap(), None);
        assert_eq!(self.storage.attr(path).await.unwrap(), None);
        assert_eq!(self.storage.data_stat(path).await.unwrap(), None);
    }

    pub async fn verify(&self, repair: bool) -> (VerifyReport, Vec<Finding>) {
        let options = VerifyOptions { deep: true, repair: repair.then(|| self.term()), ..VerifyOptions::default() };
        let mut findings = Vec::new();
        let mut tell = |finding| findings.push(finding);
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let report = jobs::verify(&self.storage, &self.catalog, &self.locks, options, &progress, &cancel, &mut tell)
            .await
            .unwrap();
        (report, findings)
    }

    /// Volume and catalog agree on everything, and nothing is on its way.
    pub async fn is_clean(&self) {
        let (report, findings) = self.verify(false).await;
        assert_eq!((report.findings(), findings), (0, Vec::new()));
        let pending = self.catalog.wal_pending().await.unwrap();
        assert_eq!((pending.pending, pending.failed), (0, 0));
        let staged: Vec<_> = names_in(&self.volume.join(".staging").join(self.term().to_string()));
        assert_eq!(staged, Vec::<String>::new());
    }

    pub async fn rebuild(&self) -> Result<RebuildReport, jobs::JobError> {
        let (progress, cancel) = (Progress::default(), CancellationToken::new());
        let job = Uuid::new_v4();
        jobs::rebuild(&self.storage, &self.catalog, &self.locks, self.term(), job, &progress, &cancel).await
    }
}

pub fn caller() -> Caller {
    Caller {
        id: "u-1".to_owned(),
        username: "ann".to_owned(),
        full_name: Some("Ann A.".to_owned()),
        role: Some(TokenRole::Operator),
    }
}

pub fn describe(description: &str) -> UploadFields {
    UploadFields { description: Some(description.to_owned()), ..UploadFields::default() }
}

/// Waits up to ten seconds for something to come true.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within 10 s: {what}");
}
