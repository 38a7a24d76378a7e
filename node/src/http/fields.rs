//! Rules for what people say about a file, the same when it is sent and when it is changed.
//!
//! Source of the rules: the product specification, `15-api`, Upload.

use serde_json::{Map, Value};

use super::error::{ApiError, ApiResult};

/// The longest description, in characters.
pub const DESCRIPTION_LIMIT: usize = 1000;
/// The longest version, in characters.
pub const VERSION_LIMIT: usize = 64;
/// The most tags.
pub const TAGS_LIMIT: usize = 50;
/// The longest tag, in characters.
pub const TAG_LIMIT: usize = 64;
/// The longest retention, in days.
pub const RETENTION_DAYS_LIMIT: u32 = 36_500;

/// A text of at most `limit` characters without U+0000.
pub fn text(field: &str, text: String, limit: usize) -> ApiResult<String> {
    without_nul(field, &text)?;
    if text.chars().nth(limit).is_some() {
        return Err(ApiError::invalid(field, format!("{field} is longer than {limit} characters")));
    }
    Ok(text)
}

/// Tags: strings of 1 to 64 characters, trimmed, doubles dropped, in the order given.
pub fn tags(value: Value) -> ApiResult<Vec<String>> {
    let wrong = || ApiError::invalid("tags", "tags is a JSON array of strings, such as [\"contract\", \"2026\"]");
    let Value::Array(values) = value else { return Err(wrong()) };
    if values.len() > TAGS_LIMIT {
        return Err(ApiError::invalid("tags", format!("at most {TAGS_LIMIT} tags can be given")));
    }
    let mut tags = Vec::with_capacity(values.len());
    for value in values {
        let Value::String(tag) = value else { return Err(wrong()) };
        without_nul("tags", &tag)?;
        let tag = tag.trim();
        if tag.is_empty() || tag.chars().nth(TAG_LIMIT).is_some() {
            return Err(ApiError::invalid(
                "tags",
                format!("a tag has 1 to {TAG_LIMIT} characters, not counting blanks around it"),
            ));
        }
        if tags.iter().all(|known| known != tag) {
            tags.push(tag.to_owned());
        }
    }
    Ok(tags)
}

/// Metadata: any JSON object without U+0000.
pub fn metadata(value: Value) -> ApiResult<Map<String, Value>> {
    let Value::Object(map) = value else {
        return Err(ApiError::invalid("metadata", "metadata is a JSON object, such as {\"customer\": 17}"));
    };
    map.iter().try_for_each(|(key, value)| nul_free(key, value))?;
    Ok(map)
}

/// Days: 1 to 36,500.
pub fn retention_days(days: Option<u64>) -> ApiResult<u32> {
    days.and_then(|days| u32::try_from(days).ok()).filter(|days| (1..=RETENTION_DAYS_LIMIT).contains(days)).ok_or_else(
        || {
            ApiError::invalid(
                "retention_days",
                format!("retention_days is a whole number from 1 to {RETENTION_DAYS_LIMIT}"),
            )
        },
    )
}

/// SHA-256 as 64 hex digits in any case; given back in lower case.
pub fn checksum(text: &str) -> ApiResult<String> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(ApiError::invalid("checksum", "checksum is a SHA-256 in 64 hex digits"))
}

fn nul_free(key: &str, value: &Value) -> ApiResult<()> {
    without_nul("metadata", key)?;
    match value {
        Value::String(text) => without_nul("metadata", text),
        Value::Array(values) => values.iter().try_for_each(|value| nul_free("", value)),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| nul_free(key, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn without_nul(field: &str, text: &str) -> ApiResult<()> {
    if text.contains('\0') {
        return Err(ApiError::invalid(field, format!("{field} contains U+0000, which databases cannot keep")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{checksum, metadata, retention_days, tags, text};

    #[test]
    fn tags_are_trimmed_and_doubles_dropped_in_order() {
        assert_eq!(tags(json!([" b ", "a", "b", "я"])).unwrap(), ["b", "a", "я"]);
        assert_eq!(tags(json!(["x".repeat(64)])).unwrap().len(), 1);
        for bad in [
            json!("a"),
            json!([1]),
            json!([""]),
            json!(["  "]),
            json!(["x".repeat(65)]),
            json!(["a\u{0}"]),
            json!(null),
        ] {
            assert!(tags(bad.clone()).is_err(), "{bad}");
        }
        assert!(tags(json!(vec!["a"; 50])).is_ok());
        assert!(tags(json!(vec!["a"; 51])).is_err());
    }

    #[test]
    fn limits_count_characters_and_no_nul_hides_anywhere() {
        assert!(text("description", "ё".repeat(1000), 1000).is_ok());
        assert!(text("description", "ё".repeat(1001), 1000).is_err());
        assert!(text("description", "\u{0}".to_owned(), 1000).is_err());
        for bad in
            [json!({"a\u{0}": 1}), json!({"a": ["\u{0}"]}), json!({"a": {"b": [{"\u{0}": 1}]}}), json!([]), json!(null)]
        {
            assert!(metadata(bad.clone()).is_err(), "{bad}");
        }
        assert!(metadata(json!({"a": {"b": [1, true, null, "x"]}})).is_ok());
    }

    #[test]
    fn days_and_checksums() {
        assert_eq!(retention_days(Some(36_500)).unwrap(), 36_500);
        for bad in [None, Some(0), Some(36_501), Some(u64::MAX)] {
            assert!(retention_days(bad).is_err());
        }
        assert_eq!(checksum(&"AB".repeat(32)).unwrap(), "ab".repeat(32));
        for bad in ["", "ab", &"g".repeat(64), &"a".repeat(65)] {
            assert!(checksum(bad).is_err());
        }
    }
}
