//! What a list or a search asks for, read from the request and checked, before any catalog sees it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{FileRow, FileStatus, Timestamp};

/// A value of `metadata.a.b=VALUE`: it matches the string, or the number or boolean it reads as.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataFilter {
    /// The keys from the outside in.
    pub path: Vec<String>,
    /// The text as sent.
    pub value: String,
}

/// Conditions that all have to hold. Ranges include both ends.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Every one of these tags.
    pub tags: Vec<String>,
    /// `sub` or user name of who sent it.
    pub created_by: Option<String>,
    /// A part of the original name, in any case.
    pub filename: Option<String>,
    /// The extension without its dot, in any case.
    pub extension: Option<String>,
    /// A media type, or `image/*`.
    pub content_type: Option<String>,
    /// Bytes.
    pub size_min: Option<u64>,
    /// Bytes.
    pub size_max: Option<u64>,
    /// First moment of creation.
    pub created_from: Option<Timestamp>,
    /// Last moment of creation.
    pub created_to: Option<Timestamp>,
    /// First moment of the last change.
    pub updated_from: Option<Timestamp>,
    /// Last moment of the last change.
    pub updated_to: Option<Timestamp>,
    /// Values within the file's own metadata.
    pub metadata: Vec<MetadataFilter>,
    /// Active if not said.
    pub status: Option<FileStatus>,
}

/// What to sort by. The file's id breaks ties, in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// When the file came.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// Its name, by code points.
    OriginalFilename,
    /// Its size.
    FileSize,
    /// How well it matches; only with a text.
    Relevance,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// The value of the sort column at which a page ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SortValue {
    /// Microseconds, or bytes.
    Number(i64),
    /// A name.
    Text(String),
}

/// The last row of a page: the next page begins right after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorKey {
    /// Its sort value.
    pub value: SortValue,
    /// Its id.
    pub id: Uuid,
}

/// Which page.
#[derive(Clone, Debug, PartialEq)]
pub enum PageRequest {
    /// The first one, without a count.
    First,
    /// The one after this row.
    After(CursorKey),
    /// The one that leaves out so many rows, with the total counted.
    Offset(u64),
}

/// One term of a search text. All terms of a text must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTerm {
    /// A word, in any of its forms.
    Word(String),
    /// The beginning of a word.
    Prefix(String),
    /// Words one after another, each in any of its forms.
    Phrase(Vec<String>),
}

/// A search text taken apart: words in lower case, `ё` as `е`, split where names are split. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextQuery {
    /// The terms.
    pub terms: Vec<TextTerm>,
}

/// A list or search.
#[derive(Clone, Debug, PartialEq)]
pub struct FileQuery {
    /// The conditions.
    pub filter: Filter,
    /// The text, for a search.
    pub text: Option<TextQuery>,
    /// What to sort by.
    pub sort: Sort,
    /// Which way.
    pub order: Order,
    /// Which page.
    pub page: PageRequest,
    /// Rows on a page, 1 to 1,000.
    pub limit: u32,
}

/// A page of files.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<FileRow>,
    /// Whether rows follow.
    pub has_more: bool,
    /// How many match in all, when asked by offset.
    pub total: Option<u64>,
    /// `total` was not counted to its end: there are at least so many.
    pub total_is_minimum: bool,
}
