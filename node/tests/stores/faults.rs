//! A proxy between storage and store that strips, loses, delays and cuts what a test tells it to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Bucket;

/// What happens to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Conditions are taken away: the object is put whatever stands there. Put anew, since a signature covers headers.
    Unconditional,
    /// The store does what was asked, its answer is lost and the connection closed.
    LoseAnswer,
    /// The store does what was asked after this long; the answer is lost.
    Late(Duration),
    /// 503 without the store hearing of it.
    Unavailable,
    /// 404, but not of the object.
    NoSuchBucket,
    /// After so many bytes of the answer the connection is closed.
    CutAnswer(usize),
}

/// A rule: which requests (by method and a part of the target) meet which fault, and how often.
struct Rule {
    method: &'static str,
    part: String,
    fault: Fault,
    times: usize,
}

/// The proxy. It ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    rules: Arc<Mutex<Vec<Rule>>>,
    hits: Arc<Mutex<usize>>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Starts one in front of a bucket's store.
    pub async fn start(bucket: &Bucket) -> Self {
        let store = bucket.endpoint.strip_prefix("http://").expect("a plain endpoint").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (rules, hits) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let mut serving = JoinSet::new();
        let (for_rules, for_hits) = (Arc::clone(&rules), Arc::clone(&hits));
        let bucket = bucket.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (store, rules, hits) = (store.clone(), Arc::clone(&for_rules), Arc::clone(&for_hits));
                let bucket = bucket.clone();
                connections.spawn(async move {
                    let _ = serve(client, (&bucket, &store), &rules, &hits).await;
                });
            }
        });
        Self { address, rules, hits, _serving: serving }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the next `times` requests that match meet `fault`.
    pub fn rule(&self, method: &'static str, part: &str, fault: Fault, times: usize) {
        self.rules.lock().push(Rule { method, part: part.to_owned(), fault, times });
    }

    pub fn clear(&self) {
        self.rules.lock().clear();
    }

    /// Requests that have met a fault.
    pub fn hits(&self) -> usize {
        *self.hits.lock()
    }
}

/// One request for each connection: simple, and enough.
async fn serve(
    mut client: TcpStream,
    (bucket, store): (&Bucket, &str),
    rules: &Mutex<Vec<Rule>>,
    hits: &Mutex<usize>,
) -> std::io::Result<()> {
    let (mut head, mut rest) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; 64 * 1024];
    while rest.is_empty() {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..read]);
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            rest = head.split_off(end + 4);
            break;
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let length = header(&text, "content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    while rest.len() < length {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        rest.extend_from_slice(&buffer[..read]);
    }
    let fault = take(rules, &text);
    if fault.is_some() {
        *hits.lock() += 1;
    }
    let text = match fault {
        Some(Fault::Unconditional) => return put_anyway(bucket, &text, rest, &mut client).await,
        Some(Fault::NoSuchBucket) => {
            let body = "<Error><Code>NoSuchBucket</Code><Message>gone</Message></Error>";
            let head = format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            client.write_all((head + body).as_bytes()).await?;
            return client.shutdown().await;
        }
        Some(Fault::Unavailable) => {
            client
                .write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .await?;
            return client.shutdown().await;
        }
        _ => text,
    };
    if let Some(Fault::Late(delay)) = fault {
        // The client gives up meanwhile; the store hears of it all the same.
        sleep(delay).await;
    }
    let mut upstream = TcpStream::connect(store).await?;
    upstream.write_all(with_close(&text).as_bytes()).await?;
    upstream.write_all(&rest).await?;
    let mut left = match fault {
        Some(Fault::CutAnswer(bytes)) => bytes,
        Some(Fault::LoseAnswer | Fault::Late(_)) => 0,
        _ => usize::MAX,
    };
    loop {
        let read = upstream.read(&mut buffer).await?;
        if read == 0 {
            return client.shutdown().await;
        }
        let pass = read.min(left);
        left -= pass;
        client.write_all(&buffer[..pass]).await?;
        if left == 0 && matches!(fault, Some(Fault::CutAnswer(_))) {
            return client.shutdown().await;
        }
    }
}

async fn put_anyway(bucket: &Bucket, head: &str, body: Vec<u8>, client: &mut TcpStream) -> std::io::Result<()> {
    let target = head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    let key = target.trim_start_matches(&format!("/{}/", bucket.name)).to_owned();
    let put = bucket.client().put_object().bucket(&bucket.name).key(key).body(body.into()).send().await;
    let etag = put.unwrap().e_tag.unwrap();
    let answer = format!("HTTP/1.1 200 OK\r\netag: {etag}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}

fn take(rules: &Mutex<Vec<Rule>>, head: &str) -> Option<Fault> {
    let line = head.lines().next()?;
    let mut rules = rules.lock();
    let rule =
        rules.iter_mut().find(|rule| rule.times > 0 && line.starts_with(rule.method) && line.contains(&rule.part))?;
    rule.times -= 1;
    Some(rule.fault)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn without(head: &str, name: &str) -> String {
    head.split_inclusive("\r\n")
        .filter(|line| !line.split(':').next().is_some_and(|key| key.eq_ignore_ascii_case(name)))
        .collect()
}

fn with_close(head: &str) -> String {
    let head = without(head, "connection");
    head.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1)
}
