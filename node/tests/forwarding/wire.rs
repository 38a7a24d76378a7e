//! HTTP/1.1 by hand, from either side of a connection.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A request line or a status line, and the headers.
pub struct Head {
    pub line: String,
    headers: Vec<(String, String)>,
}

impl Head {
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length").map(|length| length.parse().unwrap())
    }
}

/// A whole answer.
pub struct Answer {
    pub head: Head,
    pub body: String,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }

    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and code of an error.
    #[track_caller]
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status(), self.code().as_str()), (status, code), "{}", self.body);
    }
}

pub struct Wire<S> {
    pub stream: S,
    read: Vec<u8>,
}

pub async fn connect(address: SocketAddr) -> Wire<TcpStream> {
    Wire::new(TcpStream::connect(address).await.unwrap())
}

/// Connects from another address of this machine.
pub async fn connect_from(from: &str, address: SocketAddr) -> Wire<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    Wire::new(socket.connect(address).await.unwrap())
}

/// One request over a connection of its own.
pub async fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut wire = connect(address).await;
    wire.send(method, path, headers, body).await;
    wire.answer().await
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("nothing is taken").unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends a request whose body, if any, has a length.
    pub async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let headers: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: node\r\n{headers}{length}\r\n");
        self.write([head.as_bytes(), body].concat()).await;
    }

    /// The next bytes; none at the end or when the connection breaks.
    pub async fn more(&mut self) -> usize {
        let mut piece = vec![0; 64 << 10];
        let read = timeout(PATIENCE, self.stream.read(&mut piece)).await.expect("nothing comes").unwrap_or(0);
        self.read.extend_from_slice(&piece[..read]);
        read
    }

    /// The next head; `None` when the connection ends first.
    pub async fn try_head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if self.more().await == 0 {
                return None;
            }
        };
        let text = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Some(Head { line, headers })
    }

    pub async fn head(&mut self) -> Head {
        self.try_head().await.expect("the connection ended")
    }

    /// So many bytes of a body.
    pub async fn take(&mut self, bytes: usize) -> Vec<u8> {
        while self.read.len() < bytes {
            assert_ne!(self.more().await, 0, "the body ends early");
        }
        self.read.drain(..bytes).collect()
    }

    /// The next answer that is not 1xx.
    pub async fn answer(&mut self) -> Answer {
        let head = loop {
            let head = self.head().await;
            if head.status() >= 200 {
                break head;
            }
        };
        let body = self.take(head.length().unwrap_or(0)).await;
        Answer { head, body: String::from_utf8(body).unwrap() }
    }

    /// Whether nothing comes for a moment.
    pub async fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        self.read.is_empty() && timeout(Duration::from_millis(300), self.stream.read(&mut byte)).await.is_err()
    }
}
