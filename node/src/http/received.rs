//! Counts the bytes of request bodies, and knows whether one was read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use crate::telemetry::metrics::Metrics;

/// Whether a request's body was read to its end.
#[derive(Clone)]
pub struct Unread(Arc<AtomicBool>);

impl Unread {
    /// Whether some of it is still to come.
    pub fn is_unread(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Counts what comes of a request's body; `None` for a request without one.
pub fn watch(request: &mut Request, metrics: &Arc<Metrics>) -> Option<Unread> {
    if request.body().is_end_stream() {
        return None;
    }
    let unread = Unread(Arc::new(AtomicBool::new(true)));
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = Body::new(Watched { body, unread: unread.clone(), metrics: metrics.clone() });
    Some(unread)
}

struct Watched {
    body: Body,
    unread: Unread,
    metrics: Arc<Metrics>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(|frame| frame.data_ref())) {
            self.metrics.received(data.map_or(0, |data| data.len() as u64));
        }
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.0.store(false, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
