//! The server over real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::routing::{get, post};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::serve;
use crate::http::limits::Limits;

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn server(limits: Limits) -> Server {
    let router = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(400)).await;
                "slow"
            }),
        )
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/refuse", post(|_: Request| async { (StatusCode::FORBIDDEN, "no") }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, None, router, limits, stop.clone()));
    Server { address, stop, task }
}

/// Everything the server answers to these bytes, until it closes the connection or half a second passes.
async fn talk(server: &Server, bytes: &[u8]) -> (String, bool) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read(&mut stream).await
}

async fn read(stream: &mut TcpStream) -> (String, bool) {
    let (mut answer, mut closed) = (Vec::new(), false);
    let mut piece = [0; 4096];
    while let Ok(read) = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut piece)).await {
        match read {
            Ok(n) if n > 0 => answer.extend_from_slice(&piece[..n]),
            _ => {
                closed = true;
                break;
            }
        }
    }
    (String::from_utf8_lossy(&answer).into_owned(), closed)
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let server = server(Limits::default()).await;
    for lines in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2, 2",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\nok");
        // A good request before it on the same connection is answered all the same.
        for before in ["", "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let (answer, closed) = talk(&server, format!("{before}{request}").as_bytes()).await;
            assert!(answer.contains("HTTP/1.1 400 ") && closed, "{lines:?}: {answer}");
            assert_eq!(answer.contains("HTTP/1.1 200 "), !before.is_empty(), "{lines:?}: {answer}");
            assert!(!answer.ends_with("ok"));
        }
    }
}

#[tokio::test]
async fn pipelined_and_chunked_requests_are_answered_in_order() {
    let server = server(Limits::default()).await;
    let chunked =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let (answer, closed) = talk(&server, format!("{chunked}GET /hello HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await;
    let (echo, hello) = (answer.find("abcde").unwrap(), answer.find("hello").unwrap());
    assert!(echo < hello && !closed);
    let (answer, closed) =
        talk(&server, &chunked.as_bytes().iter().map(|&b| if b == b'3' { b'x' } else { b }).collect::<Vec<_>>()).await;
    assert!(closed && !answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn heads_that_trickle_are_cut_off() {
    let server = server(Limits { header_timeout: Duration::from_millis(300), ..Limits::default() }).await;
    for beginning in ["", "GET /hello HTTP/1.1\r\nHo"] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut end = Vec::new();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if !beginning.is_empty() && stream.write_all(b"x").await.is_err() {
                break;
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut end)).await.expect("still open");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_still_sends() {
    let server = server(Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // All of it is sent before the answer is looked at, as many clients do.
    for _ in 0..500 {
        stream.write_all(&[7; 16_000]).await.expect("the connection was reset under the client");
    }
    let (answer, closed) = read(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && closed, "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_refused_without_its_body() {
    let server = server(Limits::default()).await;
    let head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let (answer, _) = talk(&server, format!("POST /refuse {head}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && !answer.contains(" 100 "), "{answer}");
    let (answer, _) = talk(&server, format!("POST /echo {head}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 100 "), "{answer}");
}

#[tokio::test]
async fn stopping_finishes_what_runs_and_takes_nothing_new() {
    let server = server(Limits::default()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.cancel();
    assert!(read(&mut idle).await.1, "an idle connection stays open");
    let (answer, closed) = read(&mut busy).await;
    assert!(answer.ends_with("slow") && closed, "{answer}");
    tokio::time::timeout(Duration::from_secs(2), server.task).await.expect("it does not stop").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// A client cannot know that the server stops: what it has sent before it could is answered.
#[tokio::test]
async fn what_comes_while_it_stops_is_answered() {
    let server = server(Limits::default()).await;
    let request = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut accepted = TcpStream::connect(server.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Nothing runs but this until the next await: these connections wait to be accepted.
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.address).unwrap();
            std::io::Write::write_all(&mut stream, request).unwrap();
            stream.set_nonblocking(true).unwrap();
            TcpStream::from_std(stream).unwrap()
        })
        .collect();
    server.stop.cancel();
    // It knows by now, and has not closed what it accepted.
    tokio::time::sleep(Duration::from_millis(50)).await;
    accepted.write_all(request).await.unwrap();
    for mut stream in waiting.into_iter().chain([accepted]) {
        let (answer, closed) = read(&mut stream).await;
        assert!(answer.ends_with("slow") && closed, "{answer}");
    }
    tokio::time::timeout(Duration::from_secs(2), server.task).await.expect("it does not stop").unwrap();
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut() {
    let server = server(Limits { drain_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(2), server.task).await.expect("it does not stop").unwrap();
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_served() {
    let server = server(Limits::default()).await;
    // The preface and an empty SETTINGS frame; the server answers with its own SETTINGS.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the first frame is SETTINGS");
}
