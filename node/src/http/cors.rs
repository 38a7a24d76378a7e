//! Which pages in a browser may call the API (the Fetch standard's CORS protocol). Off until origins are configured.
//!
//! Tokens travel in a header that scripts set themselves, so credentials (cookies) are never allowed.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PATCH, PUT, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, If-Range, \
     If-Unmodified-Since, Range, X-Request-Id, traceparent, tracestate",
);
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Idempotent-Replay, Last-Modified, Location, Repr-Digest, \
     Retry-After, WWW-Authenticate, X-Request-Id",
);
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The configured origins.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    any: bool,
    origins: Vec<String>,
}

impl Cors {
    /// From `server.cors_origins`: none (off), `*` alone, or a list.
    pub fn new(origins: &[String]) -> Self {
        Self { any: origins.iter().any(|origin| origin == "*"), origins: origins.to_vec() }
    }

    /// Whether CORS is on at all.
    pub fn is_on(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether the request is a preflight that this answers.
    pub fn is_preflight(&self, method: &Method, headers: &HeaderMap) -> bool {
        self.is_on()
            && method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The headers of the answer to a preflight from `request`.
    pub fn preflight(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if self.allow(request.get(ORIGIN), answer) {
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }

    /// The headers of any other answer to a page at `origin`.
    pub fn answer(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        if self.allow(origin, answer) {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
    }

    fn allow(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) -> bool {
        if !self.is_on() {
            return false;
        }
        if self.any {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return origin.is_some();
        }
        // The answer differs by origin, so a cache must keep them apart, refused ones included.
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) =
            origin.filter(|origin| self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()))
        else {
            return false;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN};
    use http::{HeaderMap, HeaderValue};

    use super::Cors;

    fn allowed(configured: &[&str], origin: &'static str) -> Option<String> {
        let cors = Cors::new(&configured.iter().map(|&o| o.to_owned()).collect::<Vec<_>>());
        let mut answer = HeaderMap::new();
        cors.answer(Some(&HeaderValue::from_static(origin)), &mut answer);
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
        answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_configured_origins_are_allowed() {
        assert_eq!(allowed(&[], "https://a.example"), None);
        assert_eq!(allowed(&["https://a.example"], "https://a.example").as_deref(), Some("https://a.example"));
        assert_eq!(allowed(&["https://a.example"], "https://a.example.evil"), None);
        assert_eq!(allowed(&["*"], "https://anything"), Some("*".to_owned()));
    }
}
