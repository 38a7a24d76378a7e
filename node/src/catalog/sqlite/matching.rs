//! Full text: what of a file goes into the index, and how a query is put to it.
//!
//! The expression language of FTS5 (<https://www.sqlite.org/fts5.html>, section 3) is written here only, from tokens
//! that hold letters and digits and nothing else, so no text of a user is ever read as syntax.

use std::fmt::Write as _;

use serde::Serialize;

use crate::catalog::exact;
use crate::model::{Attr, Filter, TextQuery, TextTerm, stem, words};

/// Columns of the index as a file fills them.
#[derive(Serialize)]
pub(super) struct IndexedText {
    name: String,
    description: String,
    tags: String,
    /// Words that differ from their stem, for `word*`.
    words: String,
    exact: String,
}

impl IndexedText {
    pub(super) fn of(attr: &Attr) -> Self {
        let mut plain = Vec::new();
        let name = stems(&attr.original_filename, &mut plain);
        let description = stems(attr.description.as_deref().unwrap_or_default(), &mut plain);
        let tags = stems(&attr.tags.join(" \n "), &mut plain);
        plain.sort_unstable();
        plain.dedup();
        Self { name, description, tags, words: plain.join(" "), exact: exact::of_file(attr) }
    }
}

fn stems(text: &str, plain: &mut Vec<String>) -> String {
    let mut line = String::with_capacity(text.len());
    for word in words(text) {
        let stem = stem(&word);
        line.push_str(&stem);
        line.push(' ');
        if stem != word {
            plain.push(word);
        }
    }
    line
}

/// The expression that finds what matches text and filter; `None` when neither needs the index.
pub(super) fn expression(text: Option<&TextQuery>, filter: &Filter) -> Option<String> {
    let mut all: Vec<String> = text.into_iter().flat_map(|text| &text.terms).map(anywhere).collect();
    all.extend(exact::of_filter(filter).into_iter().map(|tokens| {
        let any: Vec<String> = tokens.iter().map(|token| format!("exact : \"{token}\"")).collect();
        any.join(" OR ")
    }));
    if all.is_empty() { None } else { Some(format!("({})", all.join(") AND ("))) }
}

fn anywhere(term: &TextTerm) -> String {
    let columns = match term {
        TextTerm::Prefix(_) => "{name description tags words}",
        TextTerm::Word(_) | TextTerm::Phrase(_) => "{name description tags}",
    };
    format!("{columns} : {}", quoted(term))
}

/// Where a term makes a file more relevant than in its description, and by how much.
pub(super) const WEIGHTS: [(&str, i64); 2] = [("name", 8), ("tags", 4)];

/// The expression that finds files with this term in this column, among those that match `rest`.
pub(super) fn within(column: &str, term: &TextTerm, rest: Option<&str>) -> String {
    let rest = rest.map(|rest| format!(" AND ({rest})")).unwrap_or_default();
    format!("({column} : {}){rest}", quoted(term))
}

fn quoted(term: &TextTerm) -> String {
    let mut quoted = String::from("\"");
    match term {
        TextTerm::Word(word) => quoted.push_str(&stem(&plain(word))),
        TextTerm::Prefix(beginning) => quoted.push_str(&plain(beginning)),
        TextTerm::Phrase(words) => {
            for word in words {
                let _ = write!(quoted, "{} ", stem(&plain(word)));
            }
        }
    }
    quoted.push('"');
    if matches!(term, TextTerm::Prefix(_)) {
        quoted.push('*');
    }
    quoted
}

/// Whatever a caller put into a term: letters and digits only.
fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).collect()
}
