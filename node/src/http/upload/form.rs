//! The fields of an upload, gathered as they come.

use serde_json::Value;

use super::super::error::{ApiError, ApiResult, Code};
use super::super::fields;
use crate::files::UploadFields;

/// Names of the fields beside the file.
const NAMES: [&str; 6] = ["description", "version", "tags", "metadata", "retention_days", "checksum"];

/// What has been read of a form so far.
#[derive(Default)]
pub struct Form {
    seen: Vec<&'static str>,
    has_file: bool,
    fields: UploadFields,
}

/// A field beside the file whose text is being read.
pub struct TextField {
    name: &'static str,
    bytes: Vec<u8>,
}

impl TextField {
    /// More of its text.
    ///
    /// # Errors
    /// 413 beyond `limit` bytes.
    pub fn push(&mut self, piece: &[u8], limit: u64) -> ApiResult<()> {
        if (self.bytes.len() + piece.len()) as u64 > limit {
            let message = format!("the field {} is larger than the {limit} bytes a field may have", self.name);
            return Err(ApiError::new(Code::BodyTooLarge, message).detail("field", self.name).detail("limit", limit));
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

impl Form {
    /// The one file begins.
    ///
    /// # Errors
    /// 400 when there was one before, or it has no name.
    pub fn file<'a>(&mut self, filename: Option<&'a str>) -> ApiResult<&'a str> {
        if std::mem::replace(&mut self.has_file, true) {
            return Err(ApiError::invalid("file", "an upload has exactly one file, this one has two"));
        }
        match filename {
            Some("") => Err(ApiError::invalid("file", "the file has an empty name")),
            Some(name) if name.contains('\0') => Err(ApiError::invalid("file", "the file's name contains U+0000")),
            Some(name) => Ok(name),
            None => Err(ApiError::invalid("file", "the part named file has no filename: send it as a file")),
        }
    }

    /// A field beside the file begins.
    ///
    /// # Errors
    /// 400 when it is unknown or was there before.
    pub fn field(&mut self, name: &str) -> ApiResult<TextField> {
        let Some(&name) = NAMES.iter().find(|&&known| known == name) else {
            let shown: String = name.chars().take(64).collect();
            let known = NAMES.join(", ");
            return Err(ApiError::invalid(shown, format!("an upload has no such field, only file, {known}")));
        };
        if self.seen.contains(&name) {
            return Err(ApiError::invalid(name, format!("the field {name} is given twice")));
        }
        self.seen.push(name);
        Ok(TextField { name, bytes: Vec::new() })
    }

    /// A field beside the file is complete.
    ///
    /// # Errors
    /// 400 when it breaks the field's rule.
    pub fn end_field(&mut self, field: TextField) -> ApiResult<()> {
        let name = field.name;
        let text = String::from_utf8(field.bytes)
            .map_err(|_| ApiError::invalid(name, format!("the field {name} is not UTF-8")))?;
        match name {
            "description" => self.fields.description = Some(fields::text(name, text, fields::DESCRIPTION_LIMIT)?),
            "version" => self.fields.version = Some(fields::text(name, text, fields::VERSION_LIMIT)?),
            "tags" => self.fields.tags = fields::tags(json(name, &text)?)?,
            "metadata" => self.fields.metadata = fields::metadata(json(name, &text)?)?,
            "retention_days" => self.fields.retention_days = Some(fields::retention_days(digits(&text))?),
            _ => self.fields.checksum = Some(fields::checksum(&text)?),
        }
        Ok(())
    }

    /// The form is complete.
    ///
    /// # Errors
    /// 400 when it has no file.
    pub fn finish(self) -> ApiResult<UploadFields> {
        if !self.has_file {
            return Err(ApiError::invalid("file", "the upload has no file: send one in a part named file"));
        }
        Ok(self.fields)
    }
}

fn json(name: &str, text: &str) -> ApiResult<Value> {
    serde_json::from_str(text)
        .map_err(|error| ApiError::invalid(name, format!("the field {name} is not JSON: {error}")))
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::Form;

    fn put(form: &mut Form, name: &str, text: &str) -> Result<(), String> {
        let mut field = form.field(name).map_err(|error| error.message().to_owned())?;
        field.push(text.as_bytes(), 100).map_err(|error| error.code().as_str().to_owned())?;
        form.end_field(field).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn exactly_one_file_with_a_name_and_each_field_once() {
        let mut form = Form::default();
        assert!(form.file(Some("a.txt")).is_ok());
        assert!(form.file(Some("b.txt")).is_err());
        assert!(Form::default().file(None).is_err());
        assert!(Form::default().file(Some("")).is_err());
        assert!(Form::default().file(Some("a\0")).is_err());
        assert!(Form::default().finish().is_err());
        assert!(put(&mut form, "description", "x").is_ok());
        assert!(put(&mut form, "description", "x").unwrap_err().contains("twice"));
        assert!(put(&mut form, "colour", "red").unwrap_err().contains("no such field"));
        assert_eq!(put(&mut form, "version", &"x".repeat(101)), Err("BODY_TOO_LARGE".to_owned()));
    }

    #[test]
    fn each_field_has_its_rule() {
        for (name, good, bad) in [
            ("version", "1", "x".repeat(65)),
            ("tags", "[\"a\"]", "a,b".to_owned()),
            ("metadata", "{\"a\":1}", "[1]".to_owned()),
            ("retention_days", "36500", "1.5".to_owned()),
            ("checksum", &"a".repeat(64), "a".repeat(63)),
        ] {
            assert_eq!(put(&mut Form::default(), name, good), Ok(()), "{name}");
            assert!(put(&mut Form::default(), name, &bad).is_err(), "{name}");
        }
    }
}
