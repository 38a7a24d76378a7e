//! A connection that does not wait for ever for the other side to take bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http::timer::Timer;

/// A connection whose other side has to take a byte now and then. Reading waits: how long, the caller bounds.
pub struct Stalling<T> {
    io: T,
    timeout: Duration,
    complaint: &'static str,
    write: Timer,
}

impl<T> Stalling<T> {
    /// Gives up with `complaint` when no byte is taken for `timeout`.
    pub fn new(io: T, timeout: Duration, complaint: &'static str) -> Self {
        Self { io, timeout, complaint, write: Timer::default() }
    }

    fn wrote<R>(&mut self, answer: Poll<io::Result<R>>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        if answer.is_ready() {
            self.write.stop();
        } else if self.write.has_passed(self.timeout, cx) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, self.complaint)));
        }
        answer
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stalling<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stalling<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(answer, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.wrote(answer, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes bytes before the other side does: what waits for that is here.
        let answer = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(answer, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let answer = Pin::new(&mut self.io).poll_shutdown(cx);
        self.wrote(answer, cx)
    }
}
