//! Preconditions by RFC 9110 §13.2.2: one function for every route with an `ETag`.

use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, Method};

use super::etag::any_of;
use crate::model::Timestamp;

/// What the current state of a resource is compared by.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// The strong entity tag, without its quotes.
    pub etag: &'a str,
    /// When it last changed. Compared in whole seconds, as HTTP dates are written.
    pub last_modified: Timestamp,
}

/// What the preconditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Proceed,
    /// The client has it already (304); only for GET and HEAD.
    NotModified,
    /// The state is not the one expected (412).
    Failed,
}

/// Judges a request's preconditions against the current state, in the order of RFC 9110 §13.2.2.
pub fn evaluate(method: &Method, headers: &HeaderMap, current: Validators<'_>) -> Verdict {
    let reads = method == Method::GET || method == Method::HEAD;
    if headers.contains_key(IF_MATCH) {
        if !listed(headers, &IF_MATCH, |tag| tag.matches_strongly(current.etag)) {
            return Verdict::Failed;
        }
    } else if date(headers, &IF_UNMODIFIED_SINCE).is_some_and(|since| seconds(current.last_modified) > since) {
        return Verdict::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if listed(headers, &IF_NONE_MATCH, |tag| tag.matches_weakly(current.etag)) {
            return if reads { Verdict::NotModified } else { Verdict::Failed };
        }
    } else if reads && date(headers, &IF_MODIFIED_SINCE).is_some_and(|since| seconds(current.last_modified) <= since) {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// A header's HTTP date in seconds since 1970. `None` when it is not there, twice there, or not a date: then the header
/// is ignored (RFC 9110 §13.1.3, §13.1.4).
pub fn date(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    let mut values = headers.get_all(name).iter();
    let text = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(Timestamp::from(date).micros().div_euclid(1_000_000))
}

/// Whole seconds since 1970.
pub const fn seconds(at: Timestamp) -> i64 {
    at.micros().div_euclid(1_000_000)
}

fn listed(headers: &HeaderMap, name: &HeaderName, wanted: impl Fn(super::etag::EntityTag<'_>) -> bool + Copy) -> bool {
    headers.get_all(name).iter().any(|value| any_of(value.as_bytes(), wanted))
}

#[cfg(test)]
mod tests {
    use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
    use http::{HeaderMap, HeaderName, HeaderValue, Method};
    use proptest::prelude::*;

    use super::{Validators, Verdict, evaluate};
    use crate::model::Timestamp;

    const BEFORE: &str = "Wed, 25 Nov 2026 09:29:59 GMT";
    const AT: &str = "Wed, 25 Nov 2026 09:30:00 GMT";
    const AFTER: &str = "Wed, 25 Nov 2026 09:30:01 GMT";

    fn judge(method: &Method, headers: &[(HeaderName, &str)]) -> Verdict {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let last_modified = Timestamp::parse("2026-11-25T09:30:00.700Z").unwrap();
        evaluate(method, &map, Validators { etag: "f-2", last_modified })
    }

    #[test]
    fn each_header_alone_and_the_order_between_them() {
        use Verdict::{Failed, NotModified, Proceed};
        type Row = (&'static [(HeaderName, &'static str)], Verdict, Verdict);
        let table: &[Row] = &[
            // headers, verdict for GET, verdict for PATCH
            (&[], Proceed, Proceed),
            (&[(IF_MATCH, "\"f-2\"")], Proceed, Proceed),
            (&[(IF_MATCH, "*")], Proceed, Proceed),
            (&[(IF_MATCH, "\"f-1\"")], Failed, Failed),
            (&[(IF_MATCH, "W/\"f-2\"")], Failed, Failed),
            (&[(IF_MATCH, "\"f-1\", \"f-2\"")], Proceed, Proceed),
            (&[(IF_MATCH, "\"f-1\""), (IF_MATCH, "\"f-2\"")], Proceed, Proceed),
            (&[(IF_MATCH, "f-2")], Failed, Failed),
            (&[(IF_MATCH, "")], Failed, Failed),
            (&[(IF_MATCH, "\"a,b\", \"f-2\"")], Proceed, Proceed),
            (&[(IF_NONE_MATCH, "\"f-2\"")], NotModified, Failed),
            (&[(IF_NONE_MATCH, "W/\"f-2\"")], NotModified, Failed),
            (&[(IF_NONE_MATCH, "*")], NotModified, Failed),
            (&[(IF_NONE_MATCH, "\"f-1\"")], Proceed, Proceed),
            (&[(IF_UNMODIFIED_SINCE, BEFORE)], Failed, Failed),
            (&[(IF_UNMODIFIED_SINCE, AT)], Proceed, Proceed),
            (&[(IF_UNMODIFIED_SINCE, "yesterday")], Proceed, Proceed),
            (&[(IF_MODIFIED_SINCE, BEFORE)], Proceed, Proceed),
            (&[(IF_MODIFIED_SINCE, AT)], NotModified, Proceed),
            (&[(IF_MODIFIED_SINCE, AFTER)], NotModified, Proceed),
            (&[(IF_MODIFIED_SINCE, "0")], Proceed, Proceed),
            // If-Match hides If-Unmodified-Since, If-None-Match hides If-Modified-Since.
            (&[(IF_MATCH, "\"f-2\""), (IF_UNMODIFIED_SINCE, BEFORE)], Proceed, Proceed),
            (&[(IF_NONE_MATCH, "\"f-1\""), (IF_MODIFIED_SINCE, AFTER)], Proceed, Proceed),
            // A failed If-Match wins over a matching If-None-Match.
            (&[(IF_MATCH, "\"f-1\""), (IF_NONE_MATCH, "\"f-2\"")], Failed, Failed),
            (&[(IF_MATCH, "\"f-2\""), (IF_NONE_MATCH, "\"f-2\"")], NotModified, Failed),
        ];
        for (headers, get, patch) in table {
            assert_eq!(judge(&Method::GET, headers), *get, "GET {headers:?}");
            assert_eq!(judge(&Method::HEAD, headers), *get, "HEAD {headers:?}");
            assert_eq!(judge(&Method::PATCH, headers), *patch, "PATCH {headers:?}");
            assert_eq!(judge(&Method::DELETE, headers), *patch, "DELETE {headers:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_fault(text in "[ -~]{0,60}") {
            let strong = judge(&Method::PATCH, &[(IF_MATCH, &text)]);
            prop_assert!(strong != Verdict::NotModified);
            if strong == Verdict::Proceed {
                prop_assert!(text.contains("\"f-2\"") || text.trim() == "*");
            }
            judge(&Method::GET, &[(IF_NONE_MATCH, &text), (IF_MODIFIED_SINCE, &text)]);
        }
    }
}
