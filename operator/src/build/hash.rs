//! Hashes of what was built, for names and annotations.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::Value;

/// The first hex digits of the SHA-256 of `value` as JSON with sorted keys.
pub fn hash_of(value: &impl Serialize, digits: usize) -> String {
    // A value without a JSON form does not exist here; it would hash as null.
    let value = serde_json::to_value(value).unwrap_or_default();
    let mut canonical = String::new();
    write_sorted(&value, &mut canonical);
    let mut hex = hex::encode(digest(&SHA256, canonical.as_bytes()));
    hex.truncate(digits);
    hex
}

/// Sorted whatever order the map of serde_json keeps, which a feature of any dependency may change.
fn write_sorted(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            out.push('{');
            for name in names {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_sorted(&fields[name], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write_sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
