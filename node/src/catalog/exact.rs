//! One token for each value a filter can ask for by equality, so that such a filter is a lookup in the text index and
//! goes together with words: tags, sender, extension, media type, values within the metadata.
//!
//! A token is 64 bits of SHA-256 over kind and value: nobody can make a value that is taken for another's.

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use crate::model::{Attr, Filter, MetadataFilter};

/// The deepest level of metadata that can be asked for.
const DEPTH_LIMIT: usize = 32;

/// All tokens of a file, with white space between.
pub(in crate::catalog) fn of_file(attr: &Attr) -> String {
    let mut tokens = vec![
        token("sender", &[&attr.created_by_id]),
        token("extension", &[&extension(&attr.original_filename)]),
        token("type", &[&attr.content_type.to_lowercase()]),
        token("family", &[&family(&attr.content_type)]),
    ];
    if attr.created_by_username != attr.created_by_id {
        tokens.push(token("sender", &[&attr.created_by_username]));
    }
    tokens.extend(attr.tags.iter().map(|tag| token("tag", &[tag])));
    leaves(&attr.metadata, &mut Vec::new(), &mut tokens);
    tokens.join(" ")
}

/// What a filter asks for by equality: all groups have to match, each by any of its tokens.
pub(in crate::catalog) fn of_filter(filter: &Filter) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = filter.tags.iter().map(|tag| vec![token("tag", &[tag])]).collect();
    groups.extend(filter.created_by.iter().map(|sender| vec![token("sender", &[sender])]));
    groups.extend(filter.extension.iter().map(|extension| vec![token("extension", &[&extension.to_lowercase()])]));
    groups.extend(filter.content_type.iter().map(|content_type| {
        vec![match content_type.strip_suffix("/*") {
            Some(family) => token("family", &[&family.to_lowercase()]),
            None => token("type", &[&content_type.to_lowercase()]),
        }]
    }));
    groups.extend(filter.metadata.iter().map(of_metadata));
    groups
}

/// `metadata.a.b=VALUE`: the string, or the number or boolean it reads as.
fn of_metadata(filter: &MetadataFilter) -> Vec<String> {
    let path: Vec<&str> = filter.path.iter().map(String::as_str).collect();
    let mut tokens = vec![leaf(&path, &Value::String(filter.value.clone()))];
    if let Ok(value @ (Value::Bool(_) | Value::Number(_))) = serde_json::from_str(&filter.value) {
        tokens.push(leaf(&path, &value));
    }
    tokens
}

fn leaves<'a>(object: &'a Map<String, Value>, path: &mut Vec<&'a str>, tokens: &mut Vec<String>) {
    for (key, value) in object {
        path.push(key);
        match value {
            Value::Object(inner) if path.len() < DEPTH_LIMIT => leaves(inner, path, tokens),
            Value::String(_) | Value::Bool(_) | Value::Number(_) => tokens.push(leaf(path, value)),
            Value::Object(_) | Value::Array(_) | Value::Null => {}
        }
        path.pop();
    }
}

fn leaf(path: &[&str], value: &Value) -> String {
    let (kind, value) = match value {
        Value::String(text) => ("string", text.clone()),
        Value::Number(number) => ("number", one_form(number)),
        other => ("other", other.to_string()),
    };
    let mut parts = vec![value.as_str()];
    parts.extend(path);
    token(kind, &parts)
}

/// One way to write a number: 42, 42.0 and 4.2e1 are the same.
fn one_form(number: &Number) -> String {
    /// Whole numbers up to here are exact in a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && (float.fract() != 0.0 || float.abs() > EXACT) => format!("{float:e}"),
        Some(float) if number.is_f64() => format!("{:.0}", float + 0.0),
        _ => number.to_string(),
    }
}

/// Lower case by code point, so that a part of a name is found whatever stands around it.
pub(in crate::catalog) fn lower(name: &str) -> String {
    name.nfc().flat_map(char::to_lowercase).collect()
}

/// The part after the last dot of a name that has something before it, in lower case.
fn extension(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => extension.to_lowercase(),
        _ => String::new(),
    }
}

fn family(content_type: &str) -> String {
    content_type.split('/').next().unwrap_or_default().to_lowercase()
}

fn token(kind: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(kind);
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize().get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::leaf;

    #[test]
    fn numbers_are_one_however_written_and_never_strings() {
        let token = |text: &str| leaf(&["a"], &serde_json::from_str(text).unwrap());
        for same in ["42", "42.0", "4.2e1"] {
            assert_eq!(token(same), token("42"), "{same}");
        }
        assert_eq!(token("-0.0"), token("0"));
        assert_ne!(token("9007199254740993"), token("9007199254740992"));
        assert_ne!(token("42"), token("\"42\""));
        assert_ne!(leaf(&["a", "b"], &json!("x")), leaf(&["a.b"], &json!("x")));
    }
}
