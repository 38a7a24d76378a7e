//! The attr file: a file's description beside its data, and the truth about it.
//!
//! Source of the rules: the product specification, `10-node`, section The attr file.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::ids::time_of;
use super::{Epoch, StoragePath, Timestamp, TransactionId};

/// The largest attr file, in bytes.
pub const ATTR_LIMIT_BYTES: usize = 4096;

/// The schema this version writes. A file with a higher one is read, never rewritten.
pub const ATTR_SCHEMA_VERSION: u32 = 1;

/// Whether a file is there or deleted. `deleted` is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStatus {
    /// There.
    Active,
    /// Deleted: its bytes may stay for the grace period, nobody sees it.
    Deleted,
}

impl FileStatus {
    /// The name in attr files, catalog and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }
}

/// The content of an attr file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attr {
    /// Version of this schema.
    pub schema_version: u32,
    /// The file's id, a UUIDv7 whose time is `created_at`.
    pub file_id: Uuid,
    /// The name the client gave, without any path, NFC.
    pub original_filename: String,
    /// The name of the data file.
    pub storage_filename: String,
    /// Where the data file is, relative to the volume's root or the prefix, its name included.
    pub storage_path: StoragePath,
    /// Bytes.
    pub file_size: u64,
    /// Media type.
    pub content_type: String,
    /// SHA-256 of the data, 64 lower-case hex digits.
    pub checksum: String,
    /// When the file came.
    pub created_at: Timestamp,
    /// When this revision was made.
    pub updated_at: Timestamp,
    /// Who sent it: `sub` of the token.
    pub created_by_id: String,
    /// Who sent it, by name.
    pub created_by_username: String,
    /// Who sent it, in full.
    pub created_by_fullname: Option<String>,
    /// What it is, in words.
    pub description: Option<String>,
    /// The sender's own version.
    pub version: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Anything the sender keeps about it.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// 1 at first, one more with every change.
    pub revision: u64,
    /// There or deleted.
    pub status: FileStatus,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// The file's own date before which it cannot be deleted.
    pub retention_until: Option<Timestamp>,
    /// A hold above every date.
    #[serde(default)]
    pub legal_hold: bool,
    /// The key under which a repeated upload is recognised.
    pub idempotency_key: Option<String>,
    /// Number of the term that wrote this.
    pub epoch: Epoch,
    /// The transaction that made this revision.
    pub tx: TransactionId,
    /// Fresh at every put: no two puts of an attr have the same bytes.
    pub write_id: Uuid,
    /// What a newer version of the program wrote; kept in every rewrite.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Left on S3 where an attr must never appear (again): reads as "no such file".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Version of this schema.
    pub schema_version: u32,
    /// Always true.
    pub tombstone: bool,
    /// The file that is not there.
    pub file_id: Uuid,
    /// Number of the term that wrote this.
    pub epoch: Epoch,
    /// Fresh at every put.
    pub write_id: Uuid,
}

/// What stands in a file named as an attr.
#[derive(Clone, Debug, PartialEq)]
pub enum AttrFile {
    /// A description, boxed because it is large.
    Attr(Box<Attr>),
    /// A tombstone.
    Tombstone(Tombstone),
}

/// Why bytes are not a usable attr.
#[derive(Debug, thiserror::Error)]
pub enum AttrError {
    /// The attr would be larger than [`ATTR_LIMIT_BYTES`].
    #[error(
        "the file's description takes {size} bytes, {} more than the {ATTR_LIMIT_BYTES} an attr file may have: \
         shorten description, tags or metadata", size - ATTR_LIMIT_BYTES
    )]
    TooLarge {
        /// What it would take, in bytes.
        size: usize,
    },
    /// It is not JSON, or a field is missing or wrong.
    #[error("the attr file cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Its fields contradict each other.
    #[error("the attr file contradicts itself: {0}")]
    Contradictory(&'static str),
}

impl Attr {
    /// The bytes of the attr file: pretty-printed JSON with a line end.
    ///
    /// # Errors
    /// [`AttrError::TooLarge`] when it does not fit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, AttrError> {
        let mut bytes = Vec::with_capacity(1536);
        serde_json::to_writer_pretty(&mut bytes, self)?;
        bytes.push(b'\n');
        if bytes.len() > ATTR_LIMIT_BYTES {
            return Err(AttrError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// The bytes of the attr file without line breaks and indents: for a change that the caller cannot make any shorter
    /// (deleting, a hold, a date) of a description that was full already.
    ///
    /// # Errors
    /// [`AttrError::TooLarge`] when even that does not fit.
    pub fn to_bytes_on_one_line(&self) -> Result<Vec<u8>, AttrError> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        if bytes.len() > ATTR_LIMIT_BYTES {
            return Err(AttrError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// Whether a newer version of the program wrote this, so that it must not be rewritten here.
    pub const fn is_newer(&self) -> bool {
        self.schema_version > ATTR_SCHEMA_VERSION
    }

    /// The moment the id carries, which is when the file came.
    pub fn time_of_id(id: Uuid) -> Timestamp {
        time_of(id)
    }

    fn check(&self) -> Result<(), AttrError> {
        if self.storage_path.file_name() != self.storage_filename {
            return Err(AttrError::Contradictory("storage_path does not end in storage_filename"));
        }
        if self.checksum.len() != 64 || !self.checksum.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(AttrError::Contradictory("checksum is not 64 lower-case hex digits"));
        }
        if self.revision == 0 {
            return Err(AttrError::Contradictory("revision is 0"));
        }
        Ok(())
    }
}

impl AttrFile {
    /// Reads what stands in a file named as an attr.
    ///
    /// # Errors
    /// [`AttrError::Malformed`] or [`AttrError::Contradictory`].
    pub fn parse(bytes: &[u8]) -> Result<Self, AttrError> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(default)]
            tombstone: bool,
        }
        if serde_json::from_slice::<Kind>(bytes)?.tombstone {
            return Ok(Self::Tombstone(serde_json::from_slice(bytes)?));
        }
        let attr: Box<Attr> = serde_json::from_slice(bytes)?;
        attr.check()?;
        Ok(Self::Attr(attr))
    }

    /// The description, if it is one.
    pub fn into_attr(self) -> Option<Attr> {
        match self {
            Self::Attr(attr) => Some(*attr),
            Self::Tombstone(_) => None,
        }
    }
}
