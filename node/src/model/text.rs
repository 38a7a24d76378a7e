//! Words for searching: how names, descriptions, tags and queries are split, and which forms of a word are one.
//!
//! Source of the rules: the product specification, `15-api`, List and search parameters.

use std::borrow::Cow;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::{TextQuery, TextTerm};

/// The most terms of one query that are looked at, so that a query cannot cost more than a few lookups in the index.
const TERMS_LIMIT: usize = 32;

/// Words of `text`, in order: lower case, `ё` as `е`, accents and invisible joiners dropped, split at everything that
/// is neither letter nor digit, and between letters and digits.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for piece in folded(text).split(|c: char| !c.is_alphanumeric()) {
        words.extend(parts(piece).map(str::to_owned));
    }
    words
}

/// The stem that all forms of a word share: Russian for words with Cyrillic letters, English for those of Latin letters
/// only, any other word as it is.
pub fn stem(word: &str) -> Cow<'_, str> {
    let cyrillic = |c: char| matches!(c, '\u{400}'..='\u{52f}');
    if word.chars().any(cyrillic) {
        Stemmer::create(Algorithm::Russian).stem(word)
    } else if word.bytes().all(|b| b.is_ascii_lowercase()) {
        Stemmer::create(Algorithm::English).stem(word)
    } else {
        Cow::Borrowed(word)
    }
}

/// Takes a search text apart. Quotes make a phrase, a star at the end of a word its beginning; everything else is plain
/// text. Parts that names are split into (`scan_2024`) have to follow one another. `None` when no word is left.
pub fn parse_text_query(query: &str) -> Option<TextQuery> {
    let mut terms = Vec::new();
    for (at, piece) in query.split('"').enumerate() {
        // An opening quote that is never closed still begins a phrase: what it was typed for.
        if at % 2 == 1 {
            terms.extend(phrase(words(piece)));
        } else {
            piece.split_whitespace().for_each(|word| plain(word, &mut terms));
        }
    }
    let mut unique = Vec::with_capacity(terms.len());
    for term in terms {
        if !unique.contains(&term) {
            unique.push(term);
        }
    }
    unique.truncate(TERMS_LIMIT);
    (!unique.is_empty()).then_some(TextQuery { terms: unique })
}

/// One piece between white space. `_ . -` and the joints of letters and digits hold its parts together, since names are
/// split there; any other sign stands between two words.
fn plain(piece: &str, terms: &mut Vec<TextTerm>) {
    let (piece, prefix) = match piece.strip_suffix('*') {
        Some(rest) => (rest.trim_end_matches('*'), true),
        None => (piece, false),
    };
    let folded = folded(piece);
    let joined = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let mut groups: Vec<Vec<String>> = folded.split(|c| !joined(c)).map(words).collect();
    // A star after a sign (`foo-*`) is not the beginning of anything.
    let beginning = prefix && folded.ends_with(char::is_alphanumeric);
    let beginning = if beginning { groups.last_mut().and_then(Vec::pop) } else { None };
    terms.extend(groups.into_iter().filter_map(phrase));
    terms.extend(beginning.map(TextTerm::Prefix));
}

fn phrase(mut words: Vec<String>) -> Option<TextTerm> {
    match words.len() {
        0 => None,
        1 => words.pop().map(TextTerm::Word),
        _ => Some(TextTerm::Phrase(words)),
    }
}

/// Compatible forms made one (NFKC), lower case by code point, `ё` as `е`, accents and invisible joiners dropped.
fn folded(text: &str) -> String {
    text.nfkc()
        .flat_map(char::to_lowercase)
        .filter(|&c| !matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}'))
        .filter(|&c| c.is_alphanumeric() || !is_combining_mark(c))
        .map(|c| if c == 'ё' { 'е' } else { c })
        .collect()
}

/// Splits between letters and digits.
fn parts(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let numeric = rest.chars().next()?.is_numeric();
        let end = rest.find(|c: char| c.is_numeric() != numeric).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{parse_text_query, stem, words};
    use crate::model::TextTerm::{Phrase, Prefix, Word};

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn names_are_split_where_people_see_words() {
        for (text, expected) in [
            ("Договор_аренды-2024.PDF", &["договор", "аренды", "2024", "pdf"][..]),
            ("scan0012abc", &["scan", "0012", "abc"]),
            ("Ёлка и ЁЖ", &["елка", "и", "еж"]),
            ("cafe\u{301} догово\u{301}р", &["café", "договор"]),
            ("ﬁle №5 ①", &["file", "no", "5", "1"]),
            ("a\u{0}b\u{ad}c", &["a", "bc"]),
            ("İstanbul ΟΔΟΣ", &["istanbul", "οδοσ"]),
            ("... --- ___", &[]),
        ] {
            assert_eq!(words(text), owned(expected), "{text:?}");
        }
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for forms in [
            &["договор", "договора", "договоры", "договоров", "договорами"][..],
            &["contract", "contracts", "contracted", "contracting"],
            &["отчет", "отчеты", "отчетов"],
            &["invoice", "invoices"],
        ] {
            for form in forms {
                assert_eq!(stem(form), stem(forms[0]), "{form}");
            }
        }
        assert_eq!(stem("2024"), "2024");
        assert_eq!(stem("合同"), "合同");
    }

    #[test]
    fn queries_are_plain_text_but_for_quotes_and_a_last_star() {
        let word = |word: &str| Word(word.to_owned());
        for (query, expected) in [
            ("договор Contract", vec![word("договор"), word("contract")]),
            ("\"annual report\" 2024", vec![Phrase(owned(&["annual", "report"])), word("2024")]),
            ("\"open phrase", vec![Phrase(owned(&["open", "phrase"]))]),
            ("contr* договорн*", vec![Prefix("contr".to_owned()), Prefix("договорн".to_owned())]),
            ("contract-2024.pdf", vec![Phrase(owned(&["contract", "2024", "pdf"]))]),
            ("abc12*", vec![word("abc"), Prefix("12".to_owned())]),
            ("a*b c-*", vec![word("a"), word("b"), word("c")]),
            ("NEAR(a b) AND NOT x:y ^z +w", "near a b and not x y z w".split(' ').map(word).collect()),
            ("report report", vec![word("report")]),
        ] {
            assert_eq!(parse_text_query(query).map(|query| query.terms), Some(expected), "{query:?}");
        }
        for empty in ["", "  ", "* - \"\" ()", "\u{0}", "***"] {
            assert_eq!(parse_text_query(empty), None, "{empty:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_words_of_letters_and_digits_only(text in ".{0,80}|[a-zа-яёA-ZА-ЯЁ0-9_.\" *-]{0,80}") {
            for word in words(&text) {
                prop_assert!(!word.is_empty() && word.chars().all(char::is_alphanumeric), "{word:?}");
                let _ = stem(&word);
            }
            let _ = parse_text_query(&text);
        }
    }
}
