//! The span around a request: where log lines take request, user and trace from.

use tracing::Span;
use tracing::field::Empty;

/// Name and target of the span around a request.
pub const REQUEST_SPAN: &str = "request";

/// Fields of that span, and so of every log line.
pub(super) const CONTEXT_FIELDS: [&str; 4] = ["trace_id", "span_id", "request_id", "user_id"];

/// Place of a request in a distributed trace (W3C Trace Context, level 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace, 32 hex digits.
    pub trace_id: String,
    /// This request's own span, 16 hex digits.
    pub span_id: String,
    /// The caller's span, if it sent one.
    pub parent_id: Option<String>,
    /// Whether the caller records this trace.
    pub sampled: bool,
}

impl TraceContext {
    /// Continues the trace of a `traceparent` header, or begins one where there is none or it is malformed.
    pub fn continue_from(traceparent: Option<&str>) -> Self {
        let span_id = format!("{:016x}", rand::random_range(1..=u64::MAX));
        if let Some((trace_id, parent, sampled)) = traceparent.and_then(parse) {
            return Self { trace_id: trace_id.to_owned(), span_id, parent_id: Some(parent.to_owned()), sampled };
        }
        let trace_id = format!("{:032x}", rand::random_range(1..=u128::MAX));
        Self { trace_id, span_id, parent_id: None, sampled: false }
    }

    /// The header for what this node calls in turn.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

/// Version, trace id, parent id, flags (§3.2); a later version may have more behind.
fn parse(header: &str) -> Option<(&str, &str, bool)> {
    let mut parts = header.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let sound = is_hex(version, 2) && version != "ff" && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    let alone = version != "00" || parts.next().is_none();
    let named = trace.bytes().any(|b| b != b'0') && parent.bytes().any(|b| b != b'0');
    let flags = u8::from_str_radix(flags, 16).ok()?;
    (sound && alone && named).then_some((trace, parent, flags & 1 == 1))
}

/// The span around a request. At the highest level, so that no filter of levels takes the request away from its lines.
pub fn request_span(request_id: &str, trace: &TraceContext) -> Span {
    tracing::error_span!(
        target: REQUEST_SPAN,
        REQUEST_SPAN,
        request_id,
        trace_id = trace.trace_id.as_str(),
        span_id = trace.span_id.as_str(),
        user_id = Empty,
    )
}

/// Tells the span around the request whose it is, once the token is checked.
pub fn record_user(span: &Span, user_id: &str) {
    span.record("user_id", user_id);
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    #[test]
    fn a_trace_is_continued_and_a_malformed_one_begun_anew() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let context = TraceContext::continue_from(Some(&format!("00-{trace}-b7ad6b7169203331-01")));
        assert_eq!(context.trace_id, trace);
        assert_eq!(context.parent_id.as_deref(), Some("b7ad6b7169203331"));
        assert_ne!(context.span_id, "b7ad6b7169203331");
        assert_eq!(context.traceparent(), format!("00-{trace}-{}-01", context.span_id));
        for malformed in [
            String::new(),
            format!("00-{trace}-b7ad6b7169203331"),
            format!("ff-{trace}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
            format!("00-{trace}-b7ad6b7169203331-01-more"),
        ] {
            let begun = TraceContext::continue_from(Some(&malformed));
            assert_ne!(begun.trace_id, trace, "{malformed}");
            assert_eq!((begun.trace_id.len(), begun.span_id.len()), (32, 16));
        }
    }
}
