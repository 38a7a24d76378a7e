//! A connection that a client cannot hold for ever: heads that trickle, answers nobody takes; and one that is closed so
//! that the last answer arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;
use crate::http::limits::Limits;
use crate::http::stalling::Stalling;
use crate::http::timer::Timer;

/// How long, and how many bytes, a client may go on sending after the last answer. Closing at once would throw away what
/// it has sent, and the system would then throw away the answer too (RFC 9112 §9.6).
const LINGER_TIME: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 << 20;
/// How much is thrown away at once.
const LINGER_PIECE_BYTES: usize = 16 << 10;

/// A connection, guarded.
pub struct Guarded<T> {
    io: Stalling<T>,
    framing: Framing,
    header_timeout: Duration,
    head: Timer,
    linger: Timer,
    is_shut: bool,
    linger_left: usize,
}

impl<T> Guarded<T> {
    /// Guards `io`.
    pub fn new(io: T, limits: &Limits) -> Self {
        Self {
            io: Stalling::new(io, limits.stall_timeout, "the client takes no byte of the answer"),
            framing: Framing::new(),
            header_timeout: limits.header_timeout,
            head: Timer::default(),
            linger: Timer::default(),
            is_shut: false,
            linger_left: LINGER_BYTES,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buffer) {
            Poll::Ready(answer) => {
                answer?;
                if let Some(new) = buffer.filled_mut().get_mut(before..) {
                    this.framing
                        .inspect(new)
                        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk is not well-formed"))?;
                }
                if !this.framing.awaits_head() {
                    this.head.stop();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending if this.framing.awaits_head() && this.head.has_passed(this.header_timeout, cx) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the head of the request does not come")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Ends the answers, then reads and throws away what a client still sends, within bounds.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.is_shut {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            this.is_shut = true;
        }
        if !this.framing.is_mid_request() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; LINGER_PIECE_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    match this.linger_left.checked_sub(buffer.filled().len()) {
                        Some(left) => this.linger_left = left,
                        None => return Poll::Ready(Ok(())),
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending if this.linger.has_passed(LINGER_TIME, cx) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
