//! `multipart/form-data` (RFC 7578, RFC 2046 §5.1) taken apart while it arrives: pure, in bounded memory, and without
//! copying the data of parts.

mod head;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

pub use head::PartHead;

/// The most bytes of the lines above a part's data.
const HEAD_LIMIT_BYTES: usize = 8 << 10;
/// The most bytes before the first boundary.
const PREAMBLE_LIMIT_BYTES: usize = 4 << 10;
/// The most blanks after a boundary.
const PADDING_LIMIT_BYTES: usize = 128;
/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_LIMIT: usize = 70;

/// What comes next in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part(PartHead),
    /// Data of the part that began last. Never empty.
    Data(Bytes),
    /// The last boundary: no part follows.
    End,
}

/// Why a body is not `multipart/form-data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Preamble,
    AfterBoundary,
    Head,
    Data,
    Ended,
}

/// Takes a body apart. Give it the pieces as they come, and ask for events until it wants more.
#[derive(Debug)]
pub struct Parser {
    /// `CR LF -- boundary`: the line end before a boundary belongs to it.
    delimiter: Vec<u8>,
    finder: Finder<'static>,
    buffer: Bytes,
    stage: Stage,
}

impl Parser {
    /// For a body with this boundary; `None` when no boundary may look like this.
    pub fn new(boundary: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
        if boundary.is_empty()
            || boundary.len() > BOUNDARY_LIMIT
            || boundary.ends_with(' ')
            || !boundary.bytes().all(plain)
        {
            return None;
        }
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        let finder = Finder::new(&delimiter).into_owned();
        // The first boundary may stand at the very beginning: it is found like the others after this line end.
        Some(Self { delimiter, finder, buffer: Bytes::from_static(b"\r\n"), stage: Stage::Preamble })
    }

    /// The next piece of the body.
    pub fn feed(&mut self, piece: Bytes) {
        if self.stage == Stage::Ended {
            return;
        }
        if self.buffer.is_empty() {
            self.buffer = piece;
        } else if !piece.is_empty() {
            let mut joined = BytesMut::with_capacity(self.buffer.len() + piece.len());
            joined.extend_from_slice(&self.buffer);
            joined.extend_from_slice(&piece);
            self.buffer = joined.freeze();
        }
    }

    /// The next event; `None` when it takes more of the body to tell.
    ///
    /// # Errors
    /// [`Malformed`]: the body cannot be read any further.
    pub fn next_event(&mut self) -> Result<Option<Event>, Malformed> {
        loop {
            match self.stage {
                Stage::Ended => return Ok(Some(Event::End)),
                Stage::Preamble => match self.finder.find(&self.buffer) {
                    Some(at) if at <= PREAMBLE_LIMIT_BYTES => self.pass_boundary(at),
                    None if self.buffer.len() <= PREAMBLE_LIMIT_BYTES => return Ok(None),
                    _ => return Err(Malformed("the body does not begin with its boundary")),
                },
                Stage::AfterBoundary => match self.after_boundary()? {
                    Some(stage) => self.stage = stage,
                    None => return Ok(None),
                },
                Stage::Head => return self.head(),
                Stage::Data => match self.finder.find(&self.buffer) {
                    Some(0) => self.pass_boundary(0),
                    Some(at) => return Ok(Some(Event::Data(self.buffer.split_to(at)))),
                    None => {
                        let sure = self.buffer.len() - self.possible_boundary();
                        return Ok((sure > 0).then(|| Event::Data(self.buffer.split_to(sure))));
                    }
                },
            }
        }
    }

    fn pass_boundary(&mut self, at: usize) {
        self.buffer.advance(at + self.delimiter.len());
        self.stage = Stage::AfterBoundary;
    }

    /// `--` ends the body; else blanks and a line end begin a part.
    fn after_boundary(&mut self) -> Result<Option<Stage>, Malformed> {
        let buffer = &self.buffer;
        if buffer.starts_with(b"--") {
            self.buffer.clear();
            return Ok(Some(Stage::Ended));
        }
        let blanks = buffer.iter().take_while(|&&b| b == b' ' || b == b'\t').count();
        match buffer.get(blanks..).unwrap_or_default() {
            [b'\r', b'\n', ..] if blanks <= PADDING_LIMIT_BYTES => {
                // The line end stays: it is the first half of the empty line that ends a head without lines.
                self.buffer.advance(blanks);
                Ok(Some(Stage::Head))
            }
            [] | [b'\r'] if blanks <= PADDING_LIMIT_BYTES => Ok(None),
            [b'-'] if blanks == 0 => Ok(None),
            _ => Err(Malformed("a boundary is not followed by a line end")),
        }
    }

    fn head(&mut self) -> Result<Option<Event>, Malformed> {
        match memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
            Some(end) if end <= HEAD_LIMIT_BYTES => {
                let lines = self.buffer.split_to(end + 2);
                self.buffer.advance(2);
                self.stage = Stage::Data;
                PartHead::parse(&lines).map(|head| Some(Event::Part(head)))
            }
            None if self.buffer.len() <= HEAD_LIMIT_BYTES => Ok(None),
            _ => Err(Malformed("the lines above a part's data are too long")),
        }
    }

    /// How many bytes at the end of the buffer may be the beginning of a delimiter.
    fn possible_boundary(&self) -> usize {
        let longest = (self.delimiter.len() - 1).min(self.buffer.len());
        let tail = &self.buffer[self.buffer.len() - longest..];
        memchr::memchr_iter(b'\r', tail)
            .map(|at| &tail[at..])
            .find(|rest| self.delimiter.starts_with(rest))
            .map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests;
