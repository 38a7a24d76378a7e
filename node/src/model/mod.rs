//! The vocabulary every room shares: pure data and pure rules, no input or output.

mod address;
mod attr;
mod ids;
mod names;
mod query;
mod row;
mod term;
mod text;
mod time;
mod wal;

pub use address::PeerAddress;
pub use attr::{ATTR_LIMIT_BYTES, ATTR_SCHEMA_VERSION, Attr, AttrError, AttrFile, FileStatus, Tombstone};
pub use ids::{FileIds, hour_folder};
pub use names::{ATTR_SUFFIX, StoragePath, StoredName, id_in_name, original_filename, storage_filename};
pub use query::{
    CursorKey, FileQuery, Filter, MetadataFilter, Order, Page, PageRequest, Sort, SortValue, TextQuery, TextTerm,
};
pub use row::{FileRow, Totals};
pub use term::{Epoch, Nonce, Term};
pub use text::{parse_text_query, stem, words};
pub use time::Timestamp;
pub use wal::{FileIntent, OperationType, TransactionId, WalRow, WalStatus};
