//! The id under which a request is found again: in the answer, in errors, in logs.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

/// The header it comes and goes in.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An id taken from the client or made here: 1 to 128 of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The client's id if it is a valid one, else a fresh one.
    pub fn of(headers: &HeaderMap) -> Self {
        headers.get(X_REQUEST_ID).filter(|id| is_valid(id.as_bytes())).cloned().map_or_else(Self::fresh, Self)
    }

    fn fresh() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text = Uuid::now_v7().simple().encode_lower(&mut buffer);
        Self(HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none")))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// As the value of a header.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_valid(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{RequestId, X_REQUEST_ID};

    #[test]
    fn only_harmless_ids_are_taken() {
        let with = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
            RequestId::of(&headers).as_str().to_owned()
        };
        assert_eq!(with("a.B_9-"), "a.B_9-");
        assert_eq!(with(&"x".repeat(128)), "x".repeat(128));
        for bad in ["", "a b", "a\"b", "ключ", &"x".repeat(129)] {
            let made = with(bad);
            assert_eq!(made.len(), 32, "{bad:?} was taken as {made:?}");
        }
    }
}
