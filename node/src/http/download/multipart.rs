//! Several ranges in one answer: `multipart/byteranges` (RFC 9110 §14.6).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::HeaderValue;
use uuid::Uuid;

use super::stream::open;
use crate::files::{FileResult, Files};
use crate::model::FileRow;
use crate::telemetry::metrics::Metrics;

/// The parts of an answer, with the lines above each.
pub struct Parts {
    boundary: String,
    sections: VecDeque<(Bytes, Range<u64>)>,
    end: Bytes,
}

impl Parts {
    /// Parts of a file of `size` bytes.
    pub fn new(ranges: Vec<Range<u64>>, size: u64, content_type: &str) -> Self {
        let boundary = Uuid::new_v4().simple().to_string();
        let sections = ranges
            .into_iter()
            .enumerate()
            .map(|(i, range)| {
                let line_end = if i == 0 { "" } else { "\r\n" };
                let head = format!(
                    "{line_end}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {}-{}/{size}\r\n\r\n",
                    range.start,
                    range.end.saturating_sub(1)
                );
                (Bytes::from(head), range)
            })
            .collect();
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        Self { boundary, sections, end }
    }

    /// The answer's content type.
    pub fn content_type(&self) -> HeaderValue {
        HeaderValue::try_from(format!("multipart/byteranges; boundary={}", self.boundary))
            .unwrap_or(HeaderValue::from_static("multipart/byteranges"))
    }

    /// The answer's length in bytes.
    pub fn length(&self) -> u64 {
        let parts = self.sections.iter().map(|(head, range)| head.len() as u64 + (range.end - range.start));
        parts.sum::<u64>() + self.end.len() as u64
    }

    /// Opens the first part; the others are opened one after another as they are sent.
    pub async fn open(mut self, files: &Files, row: &FileRow, meter: Arc<Metrics>) -> FileResult<Body> {
        let Some((head, range)) = self.sections.pop_front() else { return Ok(Body::empty()) };
        let first = open(files, row, range, meter.clone()).await?;
        let first = stream::iter([Ok::<_, axum::Error>(Body::from(head)), Ok(first)]);
        let (files, row) = (files.clone(), row.clone());
        let others = stream::unfold((self.sections, files, row, meter), |(mut parts, files, row, meter)| async move {
            let (head, range) = parts.pop_front()?;
            let part = match open(&files, &row, range, meter.clone()).await {
                Ok(body) => Ok(stream::iter([Ok(Body::from(head)), Ok(body)])),
                Err(error) => {
                    tracing::error!(%error, "a download broke off");
                    Err(axum::Error::new(error))
                }
            };
            Some((part, (parts, files, row, meter)))
        })
        .try_flatten();
        let bodies = first.chain(others).chain(stream::iter([Ok(Body::from(self.end))]));
        let pieces = bodies.map_ok(Body::into_data_stream).try_flatten();
        Ok(Body::from_stream(pieces))
    }
}

#[cfg(test)]
mod tests {
    use super::Parts;

    #[test]
    fn the_length_counts_every_line() {
        let parts = Parts::new(vec![0..10, 990..1000], 1000, "text/plain");
        let text: String =
            parts.sections.iter().map(|(head, _)| String::from_utf8(head.to_vec()).unwrap() + "0123456789").collect();
        let text = text + std::str::from_utf8(&parts.end).unwrap();
        assert_eq!(parts.length(), text.len() as u64);
        assert!(text.contains("Content-Range: bytes 990-999/1000\r\n\r\n0123456789\r\n--"));
        assert!(text.starts_with(&format!("--{}\r\n", parts.boundary)));
    }
}
