//! Watches the bytes of an HTTP/1 connection on their way to the HTTP library, and refuses a request whose end could be
//! read in two ways: `Content-Length` with `Transfer-Encoding`, or either of them twice (RFC 9112 §6.3, §11.2).
//!
//! The library resolves such requests silently, as RFC 9112 allows; a proxy in front may resolve them otherwise, and then
//! one sees a request where the other sees a body. Here the second header's colon is replaced by U+0000, which no header
//! can contain: the library answers 400 in its turn and closes the connection. Bytes of a body are never changed: where
//! a body's own framing is not plain, the connection ends with an error instead.

/// The first line of an HTTP/2 connection (RFC 9113 §3.4).
const PREFACE_LINE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// The longest of the names looked for.
const NAME_LIMIT: usize = "transfer-encoding".len();
/// The most bytes of the line with a chunk's size, its extensions included.
const CHUNK_LINE_LIMIT: usize = 4096;

/// A chunk that is not framed as RFC 9112 §7.1 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadChunk;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a request's first byte.
    Between,
    /// In its first line; how much of it is the preface of HTTP/2.
    RequestLine { preface: Option<usize> },
    /// At the beginning of a line of the head.
    LineStart,
    /// After the CR of the empty line.
    HeadEnd,
    /// In a header's name, so many bytes of it.
    Name { length: usize },
    /// In a header's value.
    Value { is_length: bool },
    /// So many bytes of a body are left.
    Body { left: u64 },
    /// In the line with a chunk's size.
    ChunkSize { size: u64, digits: bool, length: usize },
    /// After the size.
    ChunkExtension { size: u64, length: usize },
    /// After the CR of that line.
    ChunkSizeEnd { size: u64 },
    /// In a chunk.
    Chunk { left: u64 },
    /// After a chunk: its CR, its LF.
    ChunkEnd { lf: bool },
    /// At the beginning of a trailer line.
    TrailerStart,
    /// In a trailer line.
    Trailer,
    /// After the CR of the empty line.
    TrailersEnd,
    /// Refused, or no HTTP/1: nothing to watch.
    Off { refused: bool },
}

/// Where a connection is in its requests.
#[derive(Debug)]
pub struct Framing {
    state: State,
    /// No head has ended yet.
    is_first: bool,
    /// The name of the header that comes, in lower case.
    name: [u8; NAME_LIMIT],
    /// How the head that comes frames its body.
    body: Option<BodyFraming>,
}

/// What the one framing header of a head says.
#[derive(Clone, Copy, Debug)]
enum BodyFraming {
    Chunked,
    /// Its digits so far, and whether a blank has ended them.
    Length {
        length: Option<u64>,
        ended: bool,
    },
}

impl Framing {
    /// At the beginning of a connection.
    pub const fn new() -> Self {
        Self { state: State::Between, is_first: true, name: [0; NAME_LIMIT], body: None }
    }

    /// Whether a head has begun and not ended, or the first one has not come.
    pub const fn awaits_head(&self) -> bool {
        match self.state {
            State::Between => self.is_first,
            State::RequestLine { .. }
            | State::LineStart
            | State::HeadEnd
            | State::Name { .. }
            | State::Value { .. } => true,
            _ => false,
        }
    }

    /// Whether the client may still be sending what belongs to a request.
    pub const fn is_mid_request(&self) -> bool {
        !matches!(self.state, State::Between | State::Off { refused: false })
    }

    /// Looks at the next bytes of the connection, in place.
    ///
    /// # Errors
    /// [`BadChunk`]: the connection has to end.
    pub fn inspect(&mut self, bytes: &mut [u8]) -> Result<(), BadChunk> {
        let mut at = 0;
        while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
            let available = rest.len() as u64;
            let skip = |left: u64| usize::try_from(left.min(available)).unwrap_or(rest.len());
            match self.state {
                State::Off { .. } => return Ok(()),
                State::Body { left } => {
                    let n = skip(left);
                    at += n;
                    self.state = match left - n as u64 {
                        0 => State::Between,
                        left => State::Body { left },
                    };
                }
                State::Chunk { left } => {
                    let n = skip(left);
                    at += n;
                    self.state = match left - n as u64 {
                        0 => State::ChunkEnd { lf: false },
                        left => State::Chunk { left },
                    };
                }
                _ => {
                    if let Some(byte) = rest.first_mut() {
                        self.state = self.step(byte)?;
                    }
                    at += 1;
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, byte: &mut u8) -> Result<State, BadChunk> {
        match self.state {
            State::Between | State::RequestLine { .. } | State::LineStart | State::HeadEnd | State::Name { .. } => {
                Ok(self.step_head(byte))
            }
            State::Value { is_length } => Ok(self.step_value(byte, is_length)),
            _ => self.step_chunk(*byte),
        }
    }

    fn step_head(&mut self, byte: &mut u8) -> State {
        match (self.state, *byte) {
            // Empty lines before a request are skipped (RFC 9112 §2.2).
            (State::Between, b'\r' | b'\n') => State::Between,
            (State::Between, first) => {
                self.body = None;
                State::RequestLine { preface: (self.is_first && first == b'P').then_some(1) }
            }
            (State::RequestLine { preface }, byte) => {
                let preface = preface.filter(|&n| PREFACE_LINE.get(n) == Some(&byte)).map(|n| n + 1);
                match byte {
                    b'\n' if preface == Some(PREFACE_LINE.len()) => State::Off { refused: false },
                    b'\n' => State::LineStart,
                    _ => State::RequestLine { preface },
                }
            }
            (State::LineStart, b'\r') => State::HeadEnd,
            (State::LineStart | State::HeadEnd, b'\n') => self.end_head(),
            (State::LineStart, first) => {
                self.name[0] = first.to_ascii_lowercase();
                State::Name { length: 1 }
            }
            (State::Name { length }, b':') => {
                let is_length = self.is_name(length, b"content-length");
                let is_coding = self.is_name(length, b"transfer-encoding");
                if is_length || is_coding {
                    let framing = if is_coding {
                        BodyFraming::Chunked
                    } else {
                        BodyFraming::Length { length: None, ended: false }
                    };
                    if self.body.replace(framing).is_some() {
                        return refuse(byte);
                    }
                }
                State::Value { is_length }
            }
            (State::Name { .. }, b'\n') => State::LineStart,
            (State::Name { length }, next) => {
                if let Some(place) = self.name.get_mut(length) {
                    *place = next.to_ascii_lowercase();
                }
                State::Name { length: length.saturating_add(1) }
            }
            // A CR without its LF: no HTTP library takes this, and neither does this one.
            (_, _) => refuse(byte),
        }
    }

    fn is_name(&self, length: usize, name: &[u8]) -> bool {
        length == name.len() && self.name.get(..length) == Some(name)
    }

    /// A length is digits, with blanks around them at most: anything else has no one meaning.
    fn step_value(&mut self, byte: &mut u8, is_length: bool) -> State {
        let stay = State::Value { is_length };
        let Some(BodyFraming::Length { length, ended }) = self.body.as_mut().filter(|_| is_length) else {
            return if *byte == b'\n' { State::LineStart } else { stay };
        };
        match *byte {
            b'\n' if length.is_some() => State::LineStart,
            b' ' | b'\t' | b'\r' => {
                *ended = length.is_some();
                stay
            }
            digit @ b'0'..=b'9' if !*ended => {
                let longer = length.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(u64::from(digit - b'0')));
                if longer.is_none() {
                    return refuse(byte);
                }
                *length = longer;
                stay
            }
            _ => refuse(byte),
        }
    }

    fn end_head(&mut self) -> State {
        self.is_first = false;
        match self.body {
            Some(BodyFraming::Chunked) => State::ChunkSize { size: 0, digits: false, length: 0 },
            Some(BodyFraming::Length { length: Some(left @ 1..), .. }) => State::Body { left },
            _ => State::Between,
        }
    }

    fn step_chunk(&self, byte: u8) -> Result<State, BadChunk> {
        Ok(match (self.state, byte) {
            (State::ChunkSize { length, .. } | State::ChunkExtension { length, .. }, _)
                if length > CHUNK_LINE_LIMIT =>
            {
                return Err(BadChunk);
            }
            (State::ChunkSize { size, length, .. }, digit) if digit.is_ascii_hexdigit() => {
                let value = char::from(digit).to_digit(16).map_or(0, u64::from);
                let size = size.checked_mul(16).and_then(|size| size.checked_add(value)).ok_or(BadChunk)?;
                State::ChunkSize { size, digits: true, length: length + 1 }
            }
            (State::ChunkSize { size, digits: true, .. } | State::ChunkExtension { size, .. }, b'\r') => {
                State::ChunkSizeEnd { size }
            }
            (State::ChunkSize { size, digits: true, length }, b';' | b' ' | b'\t')
            | (State::ChunkExtension { size, length }, 0..=9 | 11..) => {
                State::ChunkExtension { size, length: length + 1 }
            }
            (State::ChunkSizeEnd { size: 0 } | State::Trailer, b'\n') => State::TrailerStart,
            (State::ChunkSizeEnd { size }, b'\n') => State::Chunk { left: size },
            (State::ChunkEnd { lf: false }, b'\r') => State::ChunkEnd { lf: true },
            (State::ChunkEnd { lf: true }, b'\n') => State::ChunkSize { size: 0, digits: false, length: 0 },
            (State::TrailerStart, b'\r') => State::TrailersEnd,
            (State::TrailersEnd, b'\n') => State::Between,
            (State::TrailerStart | State::Trailer, byte) if byte != b'\n' => State::Trailer,
            _ => return Err(BadChunk),
        })
    }
}

/// Makes the library refuse the request: no head can contain U+0000.
fn refuse(byte: &mut u8) -> State {
    *byte = 0;
    State::Off { refused: true }
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
