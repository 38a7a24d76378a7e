//! Catalogs, files and transactions as the tests need them.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use storage_element_crds::Mode;
use storage_node::catalog::{Catalog, Commit, CommitVerdict, IntentVerdict, NewElement, NewTerm};
use storage_node::model::{
    Attr, FileIds, FileQuery, FileRow, FileStatus, Filter, Nonce, OperationType, Order, Page, PageRequest, Sort, Term,
    Timestamp, WalRow, WalStatus, parse_text_query, storage_filename,
};
use uuid::Uuid;

/// A make of catalog.
#[async_trait]
pub trait Make: Send + Sync {
    /// An empty database without schema, and what has to be kept for it to stay.
    async fn empty(&self) -> (Arc<dyn Catalog>, Box<dyn Any + Send>);
}

/// A catalog with an element and a running term.
pub struct Ready {
    pub catalog: Arc<dyn Catalog>,
    pub term: Term,
    pub ids: FileIds,
    _keep: Box<dyn Any + Send>,
}

impl Ready {
    pub async fn new(make: &dyn Make) -> Self {
        Self::in_mode(make, Mode::Edit).await
    }

    pub async fn in_mode(make: &dyn Make, mode: Mode) -> Self {
        let (catalog, keep) = make.empty().await;
        catalog.migrate().await.unwrap();
        catalog.create_element(&element(mode)).await.unwrap();
        let term = Term { epoch: 1, nonce: Nonce::fresh() };
        assert!(catalog.begin_term(&new_term(term, 0, mode)).await.unwrap());
        Self { catalog, term, ids: FileIds::default(), _keep: keep }
    }

    /// A file that nobody knows yet.
    pub fn file(&self, name: &str) -> FileRow {
        file(self.ids.next(), name)
    }

    /// Takes a file in, in two steps as an upload does.
    pub async fn put(&self, row: &FileRow) {
        let intent = intent(row, OperationType::FileCreate);
        assert_eq!(self.catalog.intent(self.term, intent).await.unwrap(), IntentVerdict::Accepted);
        assert_eq!(self.commit(row).await, CommitVerdict::Committed);
    }

    pub async fn commit(&self, row: &FileRow) -> CommitVerdict {
        self.catalog.commit(self.term, commit(row)).await.unwrap()
    }

    pub async fn list(&self, query: &FileQuery) -> Page {
        self.catalog.list(query).await.unwrap()
    }

    /// Names found by a text, in the order of the answer.
    pub async fn found(&self, text: &str) -> Vec<String> {
        let Some(text) = parse_text_query(text) else { return Vec::new() };
        let query = FileQuery { text: Some(text), sort: Sort::Relevance, ..all() };
        names(&self.list(&query).await)
    }
}

pub fn names(page: &Page) -> Vec<String> {
    page.rows.iter().map(|row| row.attr.original_filename.clone()).collect()
}

pub fn element(mode: Mode) -> NewElement {
    NewElement {
        element_id: Uuid::now_v7(),
        catalog_id: Uuid::now_v7(),
        mode,
        mode_changed_at: Timestamp::now(),
        needs_rebuild: false,
    }
}

pub fn new_term(term: Term, expected_epoch: u64, mode: Mode) -> NewTerm {
    NewTerm {
        term,
        expected_epoch,
        master: "tests".to_owned(),
        master_address: None,
        needs_rebuild: false,
        mode,
        mode_changed_at: Timestamp::now(),
    }
}

pub fn file(file_id: Uuid, name: &str) -> FileRow {
    let stored = storage_filename(name, "ivan", file_id);
    let created_at = Attr::time_of_id(file_id);
    let attr = Attr {
        schema_version: 1,
        file_id,
        original_filename: name.to_owned(),
        storage_filename: stored.storage_filename,
        storage_path: stored.storage_path,
        file_size: 10,
        content_type: "application/pdf".to_owned(),
        checksum: "0".repeat(64),
        created_at,
        updated_at: created_at,
        created_by_id: "u-1".to_owned(),
        created_by_username: "ivan".to_owned(),
        created_by_fullname: None,
        description: None,
        version: None,
        tags: Vec::new(),
        metadata: serde_json::Map::new(),
        revision: 1,
        status: FileStatus::Active,
        deleted_at: None,
        retention_until: None,
        legal_hold: false,
        idempotency_key: None,
        epoch: 1,
        tx: Uuid::now_v7(),
        write_id: Uuid::new_v4(),
        unknown: serde_json::from_value(json!({"later": {"kept": 1}})).unwrap(),
    };
    FileRow { attr, cached_at: Timestamp::now(), damaged: false, blocked_by: None }
}

/// The next revision of a file, by a transaction of its own.
pub fn next(row: &FileRow) -> FileRow {
    let mut row = row.clone();
    row.attr.revision += 1;
    row.attr.updated_at = row.attr.updated_at.plus_micros(1);
    row.attr.tx = Uuid::now_v7();
    row.attr.write_id = Uuid::new_v4();
    row
}

pub fn deleted(row: &FileRow) -> FileRow {
    let mut row = next(row);
    row.attr.status = FileStatus::Deleted;
    row.attr.deleted_at = Some(row.attr.updated_at);
    row
}

pub fn commit(row: &FileRow) -> Commit {
    Commit { transaction_id: row.attr.tx, row: row.clone(), duration_ms: 7 }
}

/// Makes every start later than the one before.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// The intent that announces this revision.
pub fn intent(row: &FileRow, operation_type: OperationType) -> WalRow {
    let mut data = json!({
        "storage_path": row.attr.storage_path,
        "revision": row.attr.revision,
        "file_size": row.attr.file_size,
    });
    if let Some(key) = &row.attr.idempotency_key {
        data["created_by_id"] = Value::String(row.attr.created_by_id.clone());
        data["idempotency_key"] = Value::String(key.clone());
    }
    let later = i64::try_from(STARTED.fetch_add(1, Ordering::Relaxed)).unwrap();
    WalRow {
        transaction_id: row.attr.tx,
        operation_type,
        status: WalStatus::Pending,
        file_id: Some(row.attr.file_id),
        operation_data: data,
        error_message: None,
        started_at: Timestamp::now().plus_micros(later),
        completed_at: None,
        duration_ms: None,
        user_id: Some("u-1".to_owned()),
        epoch: 1,
    }
}

/// The newest thousand files.
pub fn all() -> FileQuery {
    FileQuery {
        filter: Filter::default(),
        text: None,
        sort: Sort::CreatedAt,
        order: Order::Desc,
        page: PageRequest::First,
        limit: 1000,
    }
}
