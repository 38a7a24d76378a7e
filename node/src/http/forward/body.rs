//! A client's body on its way to the master: not touched before the master asks for it.
//!
//! This keeps `Expect: 100-continue` honest. The client is told to go on when its body is first polled, and that is
//! here, after the master has said 100 in its turn: a refusal by the master costs the client nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::hop::Hop;
use crate::http::error::ApiError;
use crate::http::timer::Timer;

/// How much longer than the master this node waits for a client that stands still: the master's word is the better one.
const STALL_GRACE: Duration = Duration::from_secs(5);

/// The client did not send its body to the end.
#[derive(Debug, thiserror::Error)]
#[error("the client's body did not come to its end")]
pub struct BrokenOff;

/// A body on its way.
pub struct Passed {
    client: Option<Client>,
    hop: Hop,
}

struct Client {
    body: Body,
    /// `None` once the master has asked.
    awaited: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    stall_timeout: Duration,
    stalled: Timer,
}

impl Passed {
    /// Passes `body` on, if there is any.
    pub fn new(body: Body, stall_timeout: Duration) -> (Hop, Self) {
        if http_body::Body::is_end_stream(&body) {
            return Self::nothing();
        }
        let (hop, stall_timeout) = (Hop::default(), stall_timeout + STALL_GRACE);
        let awaited = Some(Box::pin(hop.until_asked()));
        let client = Client { body, awaited, stall_timeout, stalled: Timer::default() };
        (hop.clone(), Self { client: Some(client), hop })
    }

    /// No body.
    pub fn nothing() -> (Hop, Self) {
        let hop = Hop::default();
        (hop.clone(), Self { client: None, hop })
    }

    /// Whether the master can only act once it has asked for this.
    pub const fn is_something(&self) -> bool {
        self.client.is_some()
    }
}

impl http_body::Body for Passed {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let this = &mut *self;
        let Some(client) = &mut this.client else { return Poll::Ready(None) };
        if this.hop.is_answered() {
            // Whoever reads the answer drops this.
            return Poll::Pending;
        }
        if let Some(awaited) = &mut client.awaited {
            ready!(awaited.as_mut().poll(cx));
            client.awaited = None;
        }
        loop {
            match Pin::new(&mut client.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Nothing reads trailers.
                    let Ok(data) = frame.into_data() else { continue };
                    client.stalled.stop();
                    this.hop.begin();
                    if client.body.is_end_stream() {
                        this.hop.end();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Poll::Ready(None) => {
                    this.hop.begin();
                    this.hop.end();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    this.hop.blame_client(ApiError::invalid("body", "the body broke off").logged(error.to_string()));
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
                Poll::Pending => {
                    if !client.stalled.has_passed(client.stall_timeout, cx) {
                        return Poll::Pending;
                    }
                    this.hop.blame_client(ApiError::stalled(client.stall_timeout.as_secs()));
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.client.as_ref().map_or_else(|| SizeHint::with_exact(0), |client| client.body.size_hint())
    }
}
