//! Full text: what of a file goes into the index, and how a query is put to it.
//!
//! Texts of `tsvector` and `tsquery` (<https://www.postgresql.org/docs/current/datatype-textsearch.html>) are written here
//! only, from words that hold letters and digits and nothing else, so no text of a user is ever read as syntax.

use std::fmt::Write as _;

use crate::catalog::exact;
use crate::model::{Attr, Filter, TextQuery, TextTerm, stem, words};

/// The last place that a vector can tell; an attr of 4096 bytes has fewer words.
const LAST: usize = 16_383;
/// No phrase reaches over this distance: it keeps name, tags and description apart.
const APART: usize = 2;

/// The vector of a file, as text.
pub(super) fn words_of(attr: &Attr) -> String {
    let mut text = String::new();
    let mut place = 1;
    add(&mut text, &mut place, &attr.original_filename, 'A');
    add(&mut text, &mut place, &attr.tags.join(" \n "), 'B');
    add(&mut text, &mut place, attr.description.as_deref().unwrap_or_default(), 'C');
    for token in exact::of_file(attr).split_whitespace() {
        let _ = write!(text, "={token} ");
    }
    text
}

fn add(text: &mut String, place: &mut usize, from: &str, weight: char) {
    for word in words(from) {
        let stem = stem(&word);
        let _ = write!(text, "{stem}:{}{weight} ", (*place).min(LAST));
        *place += 1;
        if stem != word {
            let _ = write!(text, "~{word} ");
        }
    }
    *place += APART;
}

/// The query that finds what matches text and filter; `None` when neither needs the index.
pub(super) fn expression(text: Option<&TextQuery>, filter: &Filter) -> Option<String> {
    let mut all: Vec<String> = text.into_iter().flat_map(|text| &text.terms).map(anywhere).collect();
    // Metadata have an index of their own.
    let others = Filter { metadata: Vec::new(), ..filter.clone() };
    all.extend(exact::of_filter(&others).into_iter().map(|tokens| {
        let any: Vec<String> = tokens.iter().map(|token| format!("'={token}'")).collect();
        any.join(" | ")
    }));
    if all.is_empty() { None } else { Some(format!("({})", all.join(") & ("))) }
}

/// The query that finds names with this part, and maybe others: runs of three characters that cover it, or, when it is
/// shorter, the beginning of one. `None` when PostgreSQL takes it for no text at all.
pub(super) fn name_parts(part: &str) -> Option<String> {
    const RUN: usize = 3;
    let characters: Vec<char> = part.chars().collect();
    if characters.is_empty() || characters.contains(&'\0') {
        return None;
    }
    let quoted = |run: &[char]| {
        let mut text = String::from("'");
        for character in run {
            if matches!(character, '\'' | '\\') {
                text.push(*character);
            }
            text.push(*character);
        }
        text + "'"
    };
    if characters.len() < RUN {
        return Some(quoted(&characters) + ":*");
    }
    // Those that overlap say little more, and each has to be looked up.
    let mut runs: Vec<String> = characters.chunks_exact(RUN).map(quoted).collect();
    runs.extend(characters.len().checked_sub(RUN).and_then(|last| characters.get(last..)).map(quoted));
    runs.dedup();
    Some(runs.join(" & "))
}

/// Where a term makes a file more relevant than in its description, and by how much.
pub(super) const WEIGHTS: [(&str, i64); 2] = [("A", 8), ("B", 4)];

/// The query for this term wherever it stands. It names no part: then the index alone knows the answer for a word, and no
/// row is looked at to make sure. The beginning of a word is looked for in its unstemmed form too.
fn anywhere(term: &TextTerm) -> String {
    match term {
        TextTerm::Prefix(beginning) => format!("'{0}':* | '~{0}':*", plain(beginning)),
        TextTerm::Word(_) | TextTerm::Phrase(_) => within(term, ""),
    }
}

/// The query for this term in one part of a file.
pub(super) fn within(term: &TextTerm, part: &str) -> String {
    let mark = if part.is_empty() { "" } else { ":" };
    let word = |word: &String| format!("'{}'{mark}{part}", stem(&plain(word)));
    match term {
        TextTerm::Word(one) => word(one),
        TextTerm::Prefix(beginning) => format!("'{}':*{part}", plain(beginning)),
        TextTerm::Phrase(words) => words.iter().map(word).collect::<Vec<_>>().join(" <-> "),
    }
}

/// Whatever a caller put into a term: letters and digits only.
fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).collect()
}
