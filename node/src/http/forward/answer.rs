//! The body of the master's answer on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::exchange::Driven;
use crate::http::timer::Timer;

/// Why an answer ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The connection broke.
    #[error("the master's answer broke off: {0}")]
    BrokenOff(#[from] hyper::Error),
    /// Nothing came for too long.
    #[error("the master's answer does not come to its end")]
    Stalled,
}

/// The body of an answer, with the connection it comes over.
pub struct Answer {
    connection: Driven,
    body: Incoming,
    stall_timeout: Duration,
    stalled: Timer,
}

impl Answer {
    /// What comes over `connection`.
    pub fn new(connection: Driven, body: Incoming, stall_timeout: Duration) -> Self {
        Self { connection, body, stall_timeout, stalled: Timer::default() }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = &mut *self;
        this.connection.drive(cx);
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.stalled.stop();
                Poll::Ready(frame.map(|frame| frame.map_err(AnswerError::from)))
            }
            Poll::Pending if this.stalled.has_passed(this.stall_timeout, cx) => {
                Poll::Ready(Some(Err(AnswerError::Stalled)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
