//! One request and its answer over a connection of their own: nothing can be wrong with an older one, and a TLS session
//! is resumed, not begun.

use std::error::Error;
use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::Context;

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

use super::Patience;
use super::answer::Answer;
use super::body::Passed;
use super::headers;
use super::hop::Hop;

use crate::http::stalling::Stalling;
use crate::http::tls::{MutualTls, is_refusal};
use crate::model::PeerAddress;

/// Bytes read or written at once.
const BUFFER_BYTES: usize = 256 << 10;

type Wire = TokioIo<Stalling<TlsStream<TcpStream>>>;

/// Sends `request` to the master at `address` and returns its answer, whose body still comes. `hop` knows how far the
/// request came.
///
/// # Errors
/// Why there is none.
pub async fn exchange(
    tls: &MutualTls,
    patience: &Patience,
    address: &PeerAddress,
    mut request: Request<Passed>,
    hop: &Hop,
) -> Result<Response, String> {
    let stream = timeout(patience.connect, connect(tls, address))
        .await
        .map_err(|_| "it does not shake hands in time".to_owned())?
        .map_err(|error| format!("it cannot be reached: {error}"))?;
    let wire = TokioIo::new(Stalling::new(stream, patience.stall, "the master takes no byte of the request"));
    let (mut sender, connection) =
        Builder::new().max_buf_size(BUFFER_BYTES).handshake(wire).await.map_err(|error| told(&error))?;
    let mut driven = Driven(Some(Box::pin(connection)));
    let waits = request.body().is_something();
    if waits {
        let asking = hop.clone();
        hyper::ext::on_informational(&mut request, move |answer| {
            if answer.status() == StatusCode::CONTINUE {
                asking.ask();
            }
        });
    } else {
        hop.begin();
        hop.end();
    }
    let answer = {
        let mut sending = pin!(sender.try_send_request(request));
        let answering = std::future::poll_fn(|cx| {
            driven.drive(cx);
            sending.as_mut().poll(cx)
        });
        tokio::select! {
            answer = answering => answer.map_err(|error| failed(error, hop))?,
            reason = overdue(patience, waits, hop) => return Err(reason.to_owned()),
        }
    };
    hop.answer();
    let (parts, body) = answer.into_parts();
    Ok(headers::incoming(parts.headers, parts.status, Body::new(Answer::new(driven, body, patience.stall))))
}

async fn connect(tls: &MutualTls, address: &PeerAddress) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect((address.host(), address.port())).await?;
    // Requests are written whole: waiting for more bytes to send with them only costs time.
    stream.set_nodelay(true)?;
    tls.connect(address.host(), stream).await
}

/// Returns when the master takes too long, with what it did not do.
async fn overdue(patience: &Patience, waits: bool, hop: &Hop) -> &'static str {
    if waits && timeout(patience.ask, hop.until_asked()).await.is_err() {
        return "it does not ask for the body in time";
    }
    // On the way every byte has its own time-out: the client's, and the connection's.
    hop.until_ended().await;
    sleep(patience.answer).await;
    "it does not answer in time"
}

fn failed(error: TrySendError<Request<Passed>>, hop: &Hop) -> String {
    // Given back: it never went to the connection. Refused: the master has read nothing.
    let is_given_back = error.message().is_some();
    let error = error.into_error();
    if is_given_back || is_tls_refusal(&error) {
        hop.has_not_begun();
    }
    told(&error)
}

fn is_tls_refusal(error: &hyper::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.downcast_ref::<io::Error>().is_some_and(is_refusal) {
            return true;
        }
        next = cause.source();
    }
    false
}

/// The error with its causes.
fn told(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// A connection that is driven by whoever waits for something of it: it needs no task, and ends with who waits.
pub struct Driven(Option<Pin<Box<Connection<Wire, Passed>>>>);

impl Driven {
    /// Lets it read and write what it can.
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        // Why it ended is told to who waits for the answer.
        if let Some(connection) = &mut self.0
            && connection.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }
}
