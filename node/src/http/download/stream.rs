//! A file's bytes as the body of an answer.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::{Frame, SizeHint};

use crate::files::{FileResult, Files};
use crate::model::FileRow;
use crate::storage::{DataStream, StorageError};
use crate::telemetry::metrics::Metrics;

/// Opens `range` of a file and reads its first piece, so that what is missing is told before any header is sent.
pub async fn open(files: &Files, row: &FileRow, range: Range<u64>, meter: Arc<Metrics>) -> FileResult<Body> {
    let length = range.end - range.start;
    if length == 0 {
        return Ok(Body::empty());
    }
    let mut stream = files.read(row, range).await?;
    let first = stream.next().await.transpose()?.unwrap_or_default();
    if first.len() as u64 == length {
        meter.sent(length);
        return Ok(Body::from(first));
    }
    Ok(Body::new(FileBody { first: Some(first), stream, left: length, meter }))
}

/// A body of known length. It fails when the storage gives less or more than that.
struct FileBody {
    first: Option<Bytes>,
    stream: DataStream,
    left: u64,
    meter: Arc<Metrics>,
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = StorageError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StorageError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => std::task::ready!(self.stream.poll_next_unpin(cx)),
        };
        Poll::Ready(Some(match piece {
            Some(Ok(piece)) => match self.left.checked_sub(piece.len() as u64) {
                Some(left) => {
                    self.left = left;
                    self.meter.sent(piece.len() as u64);
                    Ok(Frame::data(piece))
                }
                None => Err(cut_off("the data is longer than its description says")),
            },
            Some(Err(error)) => {
                tracing::error!(%error, "a download broke off");
                Err(error)
            }
            None => {
                tracing::error!(
                    left = self.left,
                    "a download broke off: the data is shorter than its description says"
                );
                Err(cut_off("the data is shorter than its description says"))
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn cut_off(reason: &'static str) -> StorageError {
    StorageError::Io { action: "read", path: String::new(), source: std::io::Error::other(reason) }
}
