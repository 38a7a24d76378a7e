//! Small JSON bodies, read strictly: every member is known, or refused by name.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::extract::Request;
use http_body::Body as _;
use serde_json::{Map, Value};

use super::body::{declared_length, expect_json, read_whole};
use super::error::{ApiError, ApiResult};
use super::fields;
use super::limits::Limits;

/// The longest reason, in characters.
pub const REASON_LIMIT: usize = 1000;
/// The longest id that a caller chooses, in characters.
const NAME_LIMIT: usize = 64;

/// The members of a JSON object that have not been read yet. `null` is the same as nothing.
#[derive(Debug)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Refuses by its head a body that cannot be one: too long (413), then not JSON (415). No body at all is fine.
    pub fn expect(request: &Request, limits: &Limits) -> ApiResult<()> {
        let is_empty = request.body().is_end_stream() || declared_length(request.headers()) == Some(0);
        if is_empty { Ok(()) } else { expect_json(request.headers(), &["application/json"], limits.body_bytes) }
    }

    /// Reads a body that may be left out.
    ///
    /// # Errors
    /// 408, 413, and 400 for what is not a JSON object.
    pub async fn read(body: Body, limits: &Limits) -> ApiResult<Self> {
        let bytes = read_whole(body, limits.body_bytes, limits.stall_timeout).await?;
        if bytes.is_empty() { Ok(Self(Map::new())) } else { Self::parse(&bytes) }
    }

    fn parse(bytes: &[u8]) -> ApiResult<Self> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(ApiError::invalid("body", "the body is a JSON object, such as {}")),
            Err(error) => Err(ApiError::invalid("body", format!("the body is not JSON: {error}"))),
        }
    }

    /// The member, whatever it is.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A text of at most `limit` characters.
    pub fn text(&mut self, name: &str, limit: usize) -> ApiResult<Option<String>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => fields::text(name, text, limit).map(Some),
            Some(_) => Err(ApiError::invalid(name.to_owned(), format!("{name} is a string"))),
        }
    }

    /// An id that the caller chose. It becomes part of file names.
    pub fn name(&mut self, name: &str) -> ApiResult<Option<String>> {
        let text = self.text(name, NAME_LIMIT)?;
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        match text {
            Some(text) if text.is_empty() || text.starts_with('.') || !plain(&text) => Err(ApiError::invalid(
                name.to_owned(),
                format!("{name} is 1 to {NAME_LIMIT} of letters, digits, . _ -, and does not begin with a dot"),
            )),
            text => Ok(text),
        }
    }

    /// True or false; false if it is left out.
    pub fn flag(&mut self, name: &str) -> ApiResult<bool> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(ApiError::invalid(name.to_owned(), format!("{name} is true or false"))),
        }
    }

    /// A whole number in a range.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> ApiResult<Option<u64>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        value.as_u64().filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            ApiError::invalid(name.to_owned(), format!("{name} is a whole number from {least} to {most}"))
        })
    }

    /// Refuses what nobody asked for.
    pub fn end(self, known: &str) -> ApiResult<()> {
        let Some(name) = self.0.keys().next() else { return Ok(()) };
        let shown: String = name.chars().take(64).collect();
        let message = format!("there is no field {shown} here: the body may have {known}");
        Err(ApiError::invalid(shown, message))
    }
}

#[cfg(test)]
impl Members {
    /// The members of a JSON text.
    pub fn of(text: &str) -> Self {
        Self::parse(text.as_bytes()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::Members;

    #[test]
    fn what_is_not_an_object_or_not_known_is_refused() {
        for bad in ["", "{", "[]", "1", "null", "{} {}"] {
            assert!(Members::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Members::of("{}").end("nothing").is_ok());
        assert!(Members::of("{\"a\":null}").end("nothing").is_err());
        let mut known = Members::of("{\"a\":null}");
        assert_eq!(known.value("a"), None);
        assert!(known.end("a").is_ok());
    }

    #[test]
    fn members_are_what_they_are_said_to_be() {
        let mut good = Members::of(r#"{"t":"ё","n":"A.b_c-9","f":true,"z":3}"#);
        assert_eq!(good.text("t", 1).unwrap().unwrap(), "ё");
        assert_eq!(good.name("n").unwrap().unwrap(), "A.b_c-9");
        assert!(good.flag("f").unwrap() && !good.flag("g").unwrap());
        assert_eq!(good.number("z", 0..=3).unwrap(), Some(3));
        assert!(good.end("").is_ok());
        assert!(Members::of(r#"{"t":"ab"}"#).text("t", 1).is_err());
        assert!(Members::of(r#"{"t":"\u0000"}"#).text("t", 1).is_err());
        for bad in [".hidden", "", "a/b", "a b", "ё", &"x".repeat(65)] {
            assert!(Members::of(&format!("{{\"n\":\"{bad}\"}}")).name("n").is_err(), "{bad}");
        }
        assert!(Members::of(r#"{"f":"true"}"#).flag("f").is_err());
        for bad in ["-1", "4", "1.5", "\"1\"", "true"] {
            assert!(Members::of(&format!("{{\"z\":{bad}}}")).number("z", 0..=3).is_err(), "{bad}");
        }
    }
}
