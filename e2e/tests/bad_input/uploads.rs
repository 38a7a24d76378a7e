//! Malformed uploads.

use anyhow::Result;
use bytes::Bytes;
use storage_element_e2e::{Make, check, on_every_make};

use super::table::{Case, Place};

const ROUTE: &str = "/api/v1/files/upload";
const TYPE: &str = "multipart/form-data; boundary=edge";

/// A part with the file.
fn file(name: &str) -> String {
    format!("--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\nbytes\r\n")
}

/// A part with a field.
fn field(name: &str, value: &str) -> String {
    format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn ended(parts: &[String]) -> Bytes {
    Bytes::from(parts.concat() + "--edge--\r\n")
}

fn invalid(what: &'static str, names: &'static str, body: Bytes) -> Case {
    Case::new(what, "POST", ROUTE, 400, "VALIDATION_ERROR").header("content-type", TYPE).body(body).names(names)
}

fn with_field(what: &'static str, name: &'static str, value: &str) -> Case {
    invalid(what, name, ended(&[field(name, value), file("x.txt")]))
}

async fn malformed_uploads_are_refused_and_leave_nothing(make: Make) -> Result<()> {
    let mut place = Place::new(make.setup()).await?;
    let good = ended(&[file("x.txt")]);
    let many = format!("[{}]", (0..51).map(|n| format!("\"t{n}\"")).collect::<Vec<_>>().join(","));
    let keyed = |what, key: String| invalid(what, "", good.clone()).header("idempotency-key", key);
    let another_type = |what, content_type: &str| {
        Case::new(what, "POST", ROUTE, 415, "UNSUPPORTED_MEDIA_TYPE")
            .header("content-type", content_type)
            .body(good.clone())
    };
    place
        .refuses(vec![
            another_type("JSON", "application/json"),
            another_type("a form of another kind", "application/x-www-form-urlencoded"),
            invalid("no file", "file", ended(&[field("description", "x")])),
            invalid("two files", "file", ended(&[file("a.txt"), file("b.txt")])),
            invalid("a file without a name", "file", ended(&[file("")])),
            invalid("a file that is a field", "file", ended(&[field("file", "x")])),
            invalid("an unknown field", "colour", ended(&[field("colour", "red"), file("x.txt")])),
            invalid("an unknown field after the file", "colour", ended(&[file("x.txt"), field("colour", "red")])),
            invalid(
                "a repeated field",
                "version",
                ended(&[field("version", "1"), field("version", "2"), file("x.txt")]),
            ),
            invalid("a body that breaks off", "", Bytes::from(file("x.txt"))),
            invalid("no parts", "", Bytes::from_static(b"nothing like a form")),
            with_field("a description too long", "description", &"я".repeat(1_001)),
            with_field("a version too long", "version", &"x".repeat(65)),
            with_field("tags that are no JSON", "tags", "a, b"),
            with_field("tags that are no array", "tags", "{}"),
            with_field("tags that are no strings", "tags", "[1]"),
            with_field("too many tags", "tags", &many),
            with_field("an empty tag", "tags", "[\" \"]"),
            with_field("a tag too long", "tags", &format!("[\"{}\"]", "x".repeat(65))),
            with_field("metadata that is no JSON", "metadata", "{"),
            with_field("metadata that is no object", "metadata", "[]"),
            with_field("a checksum too short", "checksum", "abc"),
            with_field("a checksum that is no hex", "checksum", &"g".repeat(64)),
            with_field("no days", "retention_days", "0"),
            with_field("too many days", "retention_days", "36501"),
            with_field("days in words", "retention_days", "ten"),
            Case::new("another checksum", "POST", ROUTE, 422, "CHECKSUM_MISMATCH")
                .header("content-type", TYPE)
                .body(ended(&[field("checksum", &"0".repeat(64)), file("x.txt")])),
            keyed("a key too long", "k".repeat(65)),
            keyed("a key with a space", "a key".into()),
        ])
        .await?;
    place.has_one_file().await?;
    place.node.stop()?;
    check::storage_is_tidy(&place.node).await
}

on_every_make!(malformed_uploads_are_refused_and_leave_nothing);
