//! HTTP/1.1 on a bare socket: for requests no well-behaved client would send, and for load without a client's weight.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// A connection that is kept open between requests.
pub struct Wire {
    stream: TcpStream,
    /// Bytes `start..end` of the buffer are read and not used yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// The head of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Bytes of body that follow.
    pub content_length: u64,
    /// The head as it came.
    pub text: String,
}

impl Wire {
    /// Connects, with Nagle off and a minute's patience.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn connect(address: impl ToSocketAddrs) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        stream.set_write_timeout(Some(Duration::from_mins(1)))?;
        Ok(Self { stream, buffer: vec![0; 256 * 1024], start: 0, end: 0 })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side has closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("the other side takes no more")
    }

    /// Ends the sending half.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn finish_sending(&mut self) -> Result<()> {
        Ok(self.stream.shutdown(std::net::Shutdown::Write)?)
    }

    /// Reads the head of the next answer; `None` when the connection was closed instead.
    ///
    /// # Errors
    /// When what comes is not HTTP, or nothing comes in time.
    pub fn head(&mut self) -> Result<Option<Head>> {
        loop {
            let unused = &self.buffer[self.start..self.end];
            if let Some(length) = unused.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = parse_head(&unused[..length + 2])?;
                self.start += length + 4;
                return Ok(Some(head));
            }
            self.make_room();
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(None),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error).context("no answer came"),
            }
        }
    }

    /// Reads `length` bytes of body and forgets them.
    ///
    /// # Errors
    /// When it breaks off.
    pub fn skip_body(&mut self, mut length: u64) -> Result<()> {
        let at_hand = (self.end - self.start).min(usize::try_from(length).unwrap_or(usize::MAX));
        self.start += at_hand;
        length -= at_hand as u64;
        if length > 0 {
            (self.start, self.end) = (0, 0);
        }
        while length > 0 {
            let most = self.buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            let read = self.stream.read(&mut self.buffer[..most])?;
            ensure!(read > 0, "the body broke off with {length} bytes to come");
            length -= read as u64;
        }
        Ok(())
    }

    /// Reads a body of `length` bytes.
    ///
    /// # Errors
    /// When it breaks off.
    pub fn body(&mut self, length: u64) -> Result<Vec<u8>> {
        let length = usize::try_from(length)?;
        let at_hand = (self.end - self.start).min(length);
        let mut body = self.buffer[self.start..self.start + at_hand].to_vec();
        self.start += at_hand;
        body.resize(length, 0);
        self.stream.read_exact(&mut body[at_hand..])?;
        Ok(body)
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}

impl Head {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.text.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

fn parse_head(bytes: &[u8]) -> Result<Head> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let Some(status) = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)) else {
        bail!("not an HTTP answer: {text}");
    };
    let mut head = Head { status: status.parse()?, content_length: 0, text };
    if let Some(length) = head.header("content-length") {
        head.content_length = length.parse()?;
    }
    Ok(head)
}
