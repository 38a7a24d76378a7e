//! As much of HTTP/1.1 as it takes to tell where a message ends.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt};

/// A message, with its bytes as they came.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The first line and the headers, the empty line included.
    pub(super) head: Vec<u8>,
    /// The body in its framing.
    pub(super) body: Vec<u8>,
}

impl Message {
    pub(super) fn line(&self) -> String {
        let end = self.head.iter().position(|byte| *byte == b'\r').unwrap_or(self.head.len());
        String::from_utf8_lossy(&self.head[..end]).into_owned()
    }

    pub(super) fn method(&self) -> String {
        self.line().split(' ').next().unwrap_or_default().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), self.body.as_slice()].concat()
    }
}

/// Reads messages from one side of a connection. What was read beyond one belongs to the next.
#[derive(Debug, Default)]
pub(super) struct Reader {
    held: Vec<u8>,
}

impl Reader {
    /// The head of the next message; `None` at the end of the connection.
    pub(super) async fn head(&mut self, from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.held.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.held.split_off(end + 4);
                return Ok(Some(std::mem::replace(&mut self.held, rest)));
            }
            if !self.more(from).await? {
                return Ok(None);
            }
        }
    }

    /// The body of a message with this head.
    pub(super) async fn body(&mut self, head: &[u8], from: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
        let chunked = header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let mut end = match header(head, "content-length").and_then(|value| value.parse().ok()) {
            _ if chunked => None,
            length => Some(length.unwrap_or(0)),
        };
        loop {
            if end.is_none() {
                end = chunks_end(&self.held);
            }
            match end {
                Some(end) if self.held.len() >= end => {
                    let rest = self.held.split_off(end);
                    return Ok(std::mem::replace(&mut self.held, rest));
                }
                _ if self.more(from).await? => {}
                _ => return Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended inside of a body")),
            }
        }
    }

    async fn more(&mut self, from: &mut (impl AsyncRead + Unpin)) -> Result<bool> {
        if self.held.capacity() - self.held.len() < 64 * 1024 {
            self.held.reserve(256 * 1024);
        }
        Ok(from.read_buf(&mut self.held).await? > 0)
    }
}

/// Where the last chunk ends, once it is there.
fn chunks_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = bytes[at..].windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        at += line + 2;
        if size == 0 {
            // Trailers, then an empty line.
            let trailers = &bytes[at..];
            if trailers.starts_with(b"\r\n") {
                return Some(at + 2);
            }
            return trailers.windows(4).position(|window| window == b"\r\n\r\n").map(|end| at + end + 4);
        }
        at += size + 2;
        if at > bytes.len() {
            return None;
        }
    }
}

fn header(head: &[u8], name: &str) -> Option<String> {
    String::from_utf8_lossy(head).lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{Reader, chunks_end};

    #[tokio::test]
    async fn messages_are_told_apart_and_kept_as_they_came() {
        let sent: &[u8] = b"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n";
        let (mut reader, mut from) = (Reader::default(), sent);
        let head = reader.head(&mut from).await.unwrap().unwrap();
        assert!(head.starts_with(b"PUT /a"));
        assert_eq!(reader.body(&head, &mut from).await.unwrap(), b"abc");
        let head = reader.head(&mut from).await.unwrap().unwrap();
        assert!(head.starts_with(b"GET /b"));
        assert_eq!(reader.body(&head, &mut from).await.unwrap(), b"");
        assert_eq!(reader.head(&mut from).await.unwrap(), None);
    }

    #[test]
    fn the_last_chunk_ends_a_body() {
        let whole = b"3\r\nabc\r\n0\r\n\r\n";
        assert_eq!(chunks_end(whole), Some(whole.len()));
        assert!((0..whole.len()).all(|end| chunks_end(&whole[..end]).is_none()));
        assert_eq!(chunks_end(b"0\r\nx: y\r\n\r\n"), Some(11));
    }
}
