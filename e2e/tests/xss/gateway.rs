//! Stands between browser and node: adds the token a browser cannot, notes what is asked for, and can take protecting
//! headers away, so that each is tested alone.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use storage_element_e2e::{Node, Tokens};

/// A browser may open connections it never uses.
const IDLE: Duration = Duration::from_secs(2);

/// Goes where its query says, as a click would.
const LEADING_ON: &str = "<title>leading on</title><script>location.href = location.search.slice(1)</script>";

/// Forwards `/HEADERS/PATH` to `/PATH` at the node, without the headers named in HEADERS (joined with `+`, or `all`
/// for none to be taken away); serves a page at `/page/`, and one at `/to/?URL` that leads on to URL.
pub struct Gateway {
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    port: u16,
    node: (&'static str, u16),
    token: String,
    page: String,
    asked: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Gateway {
    /// Before this node. `page` is the HTML at `/page/`.
    pub fn start(node: &Node, page: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let shared = Arc::new(Shared {
            port: listener.local_addr()?.port(),
            node: node.address(),
            token: Tokens::shared().role("user"),
            page,
            asked: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self { shared, accepting: Some(accepting) })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.shared.port)
    }

    /// What was asked for since the last time this was asked.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().map(|mut asked| std::mem::take(&mut *asked)).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.shared.port));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Shared) {
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            if shared.stop.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            scope.spawn(move || {
                if let Err(error) = serve(stream, shared) {
                    println!("gateway: {error:?}");
                }
            });
        }
    });
}

fn serve(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return Ok(()),
            Ok(read) => request.extend_from_slice(&piece[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).context("no path")?;
    if let Ok(mut asked) = shared.asked.lock() {
        asked.push(path.to_owned());
    }
    let answer = match path.split('/').nth(1) {
        Some("canary" | "favicon.ico") => b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec(),
        Some("page") => page(&shared.page),
        Some("to") => page(LEADING_ON),
        Some(without) => forward(shared, &path[1 + without.len()..], without)?,
        None => anyhow::bail!("no path in {request}"),
    };
    Ok(stream.write_all(&answer)?)
}

fn page(html: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{html}", html.len()).into_bytes()
}

/// The node's answer, without some of its headers.
fn forward(shared: &Shared, path: &str, without: &str) -> Result<Vec<u8>> {
    let mut node = TcpStream::connect(shared.node)?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}", shared.token);
    node.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    node.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("the node's answer has no head")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let is_kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !without.split('+').any(|taken| taken.eq_ignore_ascii_case(name))
    };
    let head: Vec<&str> = head.split("\r\n").filter(is_kept).collect();
    let mut sent = head.join("\r\n").into_bytes();
    sent.extend_from_slice(&answer[end..]);
    Ok(sent)
}
