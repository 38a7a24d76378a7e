//! Between a node and an S3 store.

use std::io::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Weather;
use super::dice::Dice;
use super::http::{Message, Reader};
use super::serving::Serving;

const LEAST_DELAY: Duration = Duration::from_millis(2);
const LONGEST_DELAY: Duration = Duration::from_millis(600);
const LATE_LEAST: Duration = Duration::from_millis(800);
const LATEST: Duration = Duration::from_secs(4);

/// A proxy before an S3 store. It ends when it is dropped.
pub struct S3Proxy {
    serving: Serving,
    shared: Arc<Shared>,
}

struct Shared {
    /// Host and port of the store.
    store: String,
    dice: Dice,
    faults: AtomicU64,
    pending: AtomicUsize,
    late: Mutex<Vec<String>>,
}

/// What happens to one request.
enum Fault {
    Delay(Duration),
    /// This status; the store does not hear of it.
    Refused(u16),
    /// The store does it, and the answer is 500 all the same.
    DoneAnd500,
    /// The store does it, the client does not hear of it.
    LoseAnswer,
    /// The store hears a part of the request.
    CutRequest(usize),
    /// The client hears a part of the answer: so many thousandths.
    CutAnswer(u64),
    /// The store hears of it again, later.
    Twice(Duration),
    /// The store does it, the client does not hear of it, and later the store hears of it again.
    LoseAnswerTwice(Duration),
    /// The client's connection ends now, the store hears of it later.
    Late(Duration),
}

impl S3Proxy {
    /// Starts one before the store at `endpoint` (`http://host:port`), whose fair weather lasts until it is
    /// [`set`](Self::set).
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(endpoint: &str, seed: u64) -> Self {
        let store = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared {
            store,
            dice: Dice::new(seed),
            faults: AtomicU64::new(0),
            pending: AtomicUsize::new(0),
            late: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let serving = Serving::start(move |client, seen| {
            let shared = Arc::clone(&served);
            async move {
                let _ = serve(client, seen, &shared).await;
            }
        });
        Self { serving, shared }
    }

    /// Where a node finds it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.serving.address())
    }

    /// What happens from now on.
    pub fn set(&self, weather: Weather) {
        self.serving.set(weather);
    }

    /// How many faults it has made.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::Relaxed)
    }

    /// How many requests the store has yet to hear of that their client gave up.
    pub fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::Relaxed)
    }

    /// Methods and targets of the requests that the store heard of when nobody waited for them any more.
    pub fn late(&self) -> Vec<String> {
        self.shared.late.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut client: TcpStream, mut seen: watch::Receiver<Weather>, shared: &Arc<Shared>) -> Result<()> {
    let mut reader = Reader::default();
    loop {
        let head = tokio::select! {
            head = reader.head(&mut client) => head?,
            () = gone(&mut seen) => return Ok(()),
        };
        let Some(head) = head else { return Ok(()) };
        if *seen.borrow() == Weather::Gone {
            return Ok(());
        }
        let mut request = Message { head, body: Vec::new() };
        if request.header("expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        request.body = reader.body(&request.head, &mut client).await?;
        let weather = *seen.borrow();
        // A put that is under way when the store goes away may have happened.
        tokio::select! {
            answered = shared.answer(weather, request, &mut client) => answered?,
            () = gone(&mut seen) => return Ok(()),
        }
    }
}

/// Returns when nobody is there any more.
async fn gone(seen: &mut watch::Receiver<Weather>) {
    if seen.wait_for(|weather| *weather == Weather::Gone).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The connection ends here.
fn cut() -> Error {
    Error::from(ErrorKind::ConnectionAborted)
}

impl Shared {
    async fn answer(self: &Arc<Self>, weather: Weather, request: Message, client: &mut TcpStream) -> Result<()> {
        let fault = match weather {
            Weather::Fair => None,
            Weather::Rough => self.fault(&request),
            Weather::Gone => return Err(cut()),
            Weather::Silent => return std::future::pending().await,
            Weather::Slow(delay) => Some(Fault::Delay(delay)),
            Weather::Failing(status) => Some(Fault::Refused(status)),
        };
        let Some(fault) = fault else { return client.write_all(&self.ask(&request).await?).await };
        match fault {
            Fault::Delay(delay) => {
                // The store hears of it even when the client has given up meanwhile.
                let (asked, shared) = (request, Arc::clone(self));
                let asking = tokio::spawn(async move {
                    sleep(delay).await;
                    shared.ask(&asked).await
                });
                client.write_all(&asking.await??).await
            }
            Fault::Refused(status) => client.write_all(&refusal(&request, status)).await,
            Fault::DoneAnd500 => {
                self.ask(&request).await?;
                client.write_all(&refusal(&request, 500)).await
            }
            Fault::LoseAnswer => {
                self.ask(&request).await?;
                Err(cut())
            }
            Fault::CutRequest(place) => {
                let mut store = TcpStream::connect(&self.store).await?;
                store.write_all(&request.bytes()[..place]).await?;
                Err(cut())
            }
            Fault::CutAnswer(thousandths) => {
                let answer = self.ask(&request).await?;
                let place = answer.len() * usize::try_from(thousandths).unwrap_or(0) / 1000;
                client.write_all(&answer[..place]).await?;
                Err(cut())
            }
            Fault::Twice(delay) => {
                let answer = self.ask(&request).await?;
                self.ask_later(delay, request);
                client.write_all(&answer).await
            }
            Fault::LoseAnswerTwice(delay) => {
                self.ask(&request).await?;
                self.ask_later(delay, request);
                Err(cut())
            }
            Fault::Late(delay) => {
                self.ask_later(delay, request);
                Err(cut())
            }
        }
    }

    fn fault(&self, request: &Message) -> Option<Fault> {
        let mut roll = self.dice.next()?;
        self.faults.fetch_add(1, Ordering::Relaxed);
        if roll.storm {
            // What depends on what stands there comes when its sender has long decided that it does not.
            let conditional = request.header("if-none-match").or_else(|| request.header("if-match")).is_some();
            let late = conditional && request.method() == "PUT";
            return Some(if late { Fault::Late(roll.time(LATE_LEAST, LATEST)) } else { Fault::Refused(503) });
        }
        Some(match roll.below(100) {
            0..20 => Fault::Delay(roll.time(LEAST_DELAY, LONGEST_DELAY)),
            20..30 => Fault::Refused(503),
            30..38 => Fault::Refused(500),
            38..48 => Fault::DoneAnd500,
            48..60 => Fault::LoseAnswer,
            60..68 => Fault::CutRequest(roll.place(request.head.len() + request.body.len())),
            68..78 => Fault::CutAnswer(roll.below(1000)),
            78..86 => Fault::Twice(roll.time(LEAST_DELAY, LATEST)),
            86..93 => Fault::LoseAnswerTwice(roll.time(LEAST_DELAY, LATEST)),
            _ => Fault::Late(roll.time(LEAST_DELAY, LATEST)),
        })
    }

    /// The store's answer, as it came.
    async fn ask(&self, request: &Message) -> Result<Vec<u8>> {
        let mut store = TcpStream::connect(&self.store).await?;
        store.write_all(&request.bytes()).await?;
        let mut reader = Reader::default();
        loop {
            let Some(head) = reader.head(&mut store).await? else { return Err(cut()) };
            let mut answer = Message { head, body: Vec::new() };
            let line = answer.line();
            let status = line.split(' ').nth(1).unwrap_or_default();
            if status.starts_with('1') {
                continue;
            }
            if request.method() != "HEAD" && !matches!(status, "204" | "304") {
                answer.body = reader.body(&answer.head, &mut store).await?;
            }
            return Ok(answer.bytes());
        }
    }

    /// The store hears of it when nobody waits for it any more.
    fn ask_later(self: &Arc<Self>, delay: Duration, request: Message) {
        let line = request.line();
        let told = line.rsplit_once(' ').map_or(line.as_str(), |(told, _)| told).to_owned();
        self.late.lock().unwrap_or_else(PoisonError::into_inner).push(told);
        self.pending.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            sleep(delay).await;
            let _ = shared.ask(&request).await;
            shared.pending.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// A refusal as a store words it.
fn refusal(request: &Message, status: u16) -> Vec<u8> {
    let (reason, code) = match status {
        503 => ("Service Unavailable", "SlowDown"),
        _ => ("Internal Server Error", "InternalError"),
    };
    let body = format!("<Error><Code>{code}</Code><Message>by the fault proxy</Message></Error>");
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    if request.method() == "HEAD" { head.into_bytes() } else { (head + &body).into_bytes() }
}
